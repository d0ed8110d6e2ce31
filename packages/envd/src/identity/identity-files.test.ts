import assert from "node:assert/strict";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { IdentityFiles } from "./identity-files.ts";

const ONE = "0123456789abcdef0123456789abcdef";
const OTHER = "fedcba9876543210fedcba9876543210";

describe("IdentityFiles", () => {
  let root: string;
  let files: IdentityFiles;
  const text = (path: string) => readFileSync(join(root, path), "utf8");
  const put = (path: string, content: string) => writeFileSync(join(root, path), content);
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "envd-identity-"));
    files = new IdentityFiles(root);
    mkdirSync(join(root, "etc"));
    mkdirSync(join(root, "var/lib/dbus"), { recursive: true });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it("reads no machine id where there is none", () => {
    assert.equal(files.machineId(), null);
    for (const content of ["", "uninitialized\n", `${ONE}0\n`, ONE.toUpperCase()]) {
      put("etc/machine-id", content);
      assert.equal(files.machineId(), null, content);
    }
  });

  it("makes a machine id where there is none, also without /etc", () => {
    rmSync(join(root, "etc"), { recursive: true });
    files.setMachineId(ONE);
    assert.equal(text("etc/machine-id"), `${ONE}\n`);
    assert.equal(statSync(join(root, "etc/machine-id")).mode & 0o777, 0o444);
    assert.equal(files.machineId(), ONE);
    assert.deepEqual(readdirSync(join(root, "var/lib/dbus")), []);
  });

  it("replaces a machine id in place: nothing new is allocated", () => {
    put("etc/machine-id", `${ONE}\n`);
    const { ino } = statSync(join(root, "etc/machine-id"));
    files.setMachineId(OTHER);
    assert.equal(files.machineId(), OTHER);
    assert.equal(statSync(join(root, "etc/machine-id")).ino, ino);
  });

  it("renews D-Bus's copy only where that is a file of its own", () => {
    put("etc/machine-id", `${ONE}\n`);
    put("var/lib/dbus/machine-id", `${ONE}\n`);
    files.setMachineId(OTHER);
    assert.equal(text("var/lib/dbus/machine-id"), `${OTHER}\n`);

    rmSync(join(root, "var/lib/dbus/machine-id"));
    symlinkSync("../../../etc/machine-id", join(root, "var/lib/dbus/machine-id"));
    files.setMachineId(ONE);
    assert.ok(lstatSync(join(root, "var/lib/dbus/machine-id")).isSymbolicLink());

    rmSync(join(root, "var/lib/dbus/machine-id"));
    linkSync(join(root, "etc/machine-id"), join(root, "var/lib/dbus/machine-id"));
    files.setMachineId(OTHER);
    assert.equal(text("var/lib/dbus/machine-id"), `${OTHER}\n`);
  });

  it("keeps /etc/hostname and /etc/hosts in step, with their modes, and leaves no other file", () => {
    put("etc/hostname", "old\n");
    put("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 old alias\n::1 six\n");
    chmodSync(join(root, "etc/hosts"), 0o640);
    files.setHostname("a-longer-name", "old");
    assert.equal(text("etc/hostname"), "a-longer-name\n");
    assert.equal(text("etc/hosts"), "127.0.0.1 localhost\n127.0.1.1\ta-longer-name alias\n::1 six\n");
    assert.equal(statSync(join(root, "etc/hosts")).mode & 0o777, 0o640);
    assert.deepEqual(readdirSync(join(root, "etc")).sort(), ["hostname", "hosts"]);
  });

  it("leaves an /etc/hosts alone that is larger than one would be", () => {
    const huge = "#".repeat(65 * 1024);
    put("etc/hosts", huge);
    files.setHostname("new", "old");
    assert.equal(text("etc/hosts"), huge);
  });

  it("fails where a directory has the file's name, and leaves nothing behind", () => {
    mkdirSync(join(root, "etc/machine-id"));
    assert.throws(() => files.setMachineId(ONE));
    assert.equal(files.machineId(), null);
    assert.deepEqual(readdirSync(join(root, "etc")), ["machine-id"]);
  });
});
