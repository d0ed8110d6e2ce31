import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { installedPackages } from "./installed.ts";
import { fetchPackages, parseDepends } from "./packages.ts";
import { parseIndexTargets } from "./sources.ts";

describe("a control paragraph", () => {
  it("names what a package depends on, of alternatives the first", () => {
    const paragraph = [
      "Package: linux-image-cloud-amd64",
      "Depends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2), kmod | other, libc6:any (>= 2)",
      "Description: Depends: nothing",
    ].join("\n");
    assert.deepEqual(parseDepends(paragraph), ["linux-image-6.1.0-56-cloud-amd64", "kmod", "libc6"]);
    assert.deepEqual(parseDepends("Package: x\n"), []);
  });
});

describe("dpkg's status", () => {
  it("gives the versions of what is installed", () => {
    const status = [
      "Package: b\nStatus: install ok installed\nVersion: 1:2-3\n",
      "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n",
      "Package: a\nStatus: install ok installed\nVersion: 1.0\nDescription: x\n Version: 7\n",
    ].join("\n");
    assert.deepEqual(installedPackages(status), { a: "1.0", b: "1:2-3" });
  });
});

describe("apt's index targets", () => {
  const row = (...fields: string[]) => fields.join("\t");

  it("give Debian's own sources of a suite", () => {
    const rows = [
      row("Debian", "bookworm", "bookworm", "main", "http://mirror/debian/"),
      row("Debian", "bookworm", "bookworm", "contrib", "http://mirror/debian/"),
      row("Debian", "bookworm-security", "bookworm-security", "main", "http://mirror/security/"),
      row("Debian", "trixie", "trixie", "main", "http://mirror/debian/"),
      row("Node", "bookworm", "bookworm", "main", "http://elsewhere/"),
      "",
    ].join("\n");
    assert.deepEqual(parseIndexTargets(rows, "bookworm"), [
      "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror/debian/ bookworm main",
      "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror/security/ bookworm-security main",
    ]);
  });

  it("give nothing when the suite itself is not among them", () => {
    const rows = row("Debian", "bookworm-security", "bookworm-security", "main", "http://mirror/security/");
    assert.deepEqual(parseIndexTargets(rows, "bookworm"), []);
    assert.deepEqual(parseIndexTargets("", "bookworm"), []);
  });
});

describe("fetchPackages()", () => {
  it("refuses what cannot be a package before anything is run", async () => {
    for (const name of ["-o", "../x", "a b", "", "A"]) {
      await assert.rejects(fetchPackages([name], { cacheDir: "/nonexistent" }), { code: "invalid_argument" });
    }
  });
});
