import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { probeFirecracker } from "./firecracker.ts";

const dir = mkdtempSync(join(tmpdir(), "wrenn-doctor-fc-"));
after(() => rmSync(dir, { recursive: true }));

describe("probeFirecracker()", () => {
  it("names the version of what is there, and needs none", async () => {
    const path = join(dir, "firecracker");
    writeFileSync(path, '#!/bin/sh\n[ "$1" = --version ] && echo "Firecracker v1.16.1" || echo v10.0.0\n');
    chmodSync(path, 0o755);
    const found = await probeFirecracker({ FIRECRACKER_BIN: path });
    assert.deepEqual([found.ok, found.required], [true, false]);
    assert.match(found.detail, /^1\.16\.1, snapshots 10\.0\.0, at /);
    const absent = await probeFirecracker({ FIRECRACKER_BIN: join(dir, "absent") });
    assert.deepEqual([absent.ok, absent.required], [false, false]);
    assert.match(absent.remedy ?? "", /github\.com\/firecracker-microvm.*getting-started/);
    const relative = await probeFirecracker({ FIRECRACKER_BIN: "firecracker" });
    assert.deepEqual([relative.ok, relative.detail], [false, "FIRECRACKER_BIN must be an absolute path"]);
  });
});
