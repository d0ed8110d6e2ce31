import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { assertSupported, FIRECRACKER_GUIDE, findFirecracker, inspectFirecracker } from "./binary.ts";

const dir = mkdtempSync(join(tmpdir(), "wrenn-fc-binary-"));
after(() => rmSync(dir, { recursive: true }));

/** A program that answers as a Firecracker of that version does. */
function program(name: string, { version = "1.16.1", snapshots = "10.0.0", mode = 0o755 } = {}): string {
  const path = join(dir, name);
  writeFileSync(
    path,
    `#!/bin/sh\ncase "$1" in\n--version) echo "Firecracker v${version}"; echo;;\n--snapshot-version) echo "v${snapshots}";;\nesac\n`,
  );
  chmodSync(path, mode);
  return path;
}

describe("findFirecracker()", () => {
  it("takes the variable's word, whatever is there", () => {
    assert.equal(findFirecracker({ FIRECRACKER_BIN: "/nowhere" }), "/nowhere");
    assert.throws(() => findFirecracker({ FIRECRACKER_BIN: "bin/firecracker" }), {
      code: "invalid_argument",
      message: /FIRECRACKER_BIN must be an absolute path/,
    });
  });
});

describe("inspectFirecracker()", () => {
  it("says what it is, without links", async () => {
    const path = program("firecracker");
    symlinkSync(path, join(dir, "link"));
    assert.deepEqual(await inspectFirecracker(join(dir, "link")), {
      path,
      version: "1.16.1",
      snapshotVersion: "10.0.0",
    });
  });

  it("refuses what is absent, no Firecracker, too old, or anybody's to replace", async () => {
    writeFileSync(join(dir, "text"), "not a program");
    const wrong: [string, RegExp][] = [
      [join(dir, "absent"), /there is no Firecracker at .*getting-started/],
      [join(dir, "text"), /--version failed/],
      ["/bin/true", /printed no version/],
      [program("old", { version: "1.12.1" }), /needed is 1\.13 or later.*getting-started/],
      [program("open", { mode: 0o777 }), /may be written by others/],
    ];
    for (const [path, message] of wrong)
      await assert.rejects(inspectFirecracker(path), { code: "unavailable", message });
  });
});

describe("the directories above a binary", () => {
  it("are root's alone, or sticky", async () => {
    const above = join(dir, "above");
    mkdirSync(join(above, "bin"), { recursive: true });
    const path = program("above/bin/firecracker");
    symlinkSync(path, join(dir, "far"));
    const uses = async () => (await inspectFirecracker(join(dir, "far"))).path;
    const refuses = () =>
      assert.rejects(uses(), { code: "unavailable", message: /above may be written by others than root/ });
    for (const mode of [0o777, 0o775]) {
      chmodSync(above, mode);
      await refuses();
    }
    chmodSync(above, 0o1777);
    assert.equal(await uses(), path);
    chownSync(above, 12345, 0);
    await refuses();
  });
});

describe("assertSupported()", () => {
  it("knows the versions of this API", () => {
    for (const version of ["1.13.0", "1.16.1", "1.99.0"]) assertSupported("x", version);
    for (const version of ["0.25.2", "1.0.0", "1.12.9", "2.0.0"])
      assert.throws(() => assertSupported("x", version), { code: "unavailable" });
    assert.match(FIRECRACKER_GUIDE, /^https:/);
  });
});
