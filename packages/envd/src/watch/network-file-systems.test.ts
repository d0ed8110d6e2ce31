import assert from "node:assert/strict";
import { statfsSync } from "node:fs";
import { test } from "node:test";
import { isNetworkFileSystem } from "./network-file-systems.ts";

test("isNetworkFileSystem() knows NFS, CIFS and FUSE, also as negative numbers", () => {
  for (const type of [0x6969, 0xff534d42, 0xff534d42 | 0, 0xfe534d42 | 0, 0x65735546, 0x01021997]) {
    assert.equal(isNetworkFileSystem(type), true, String(type));
  }
  for (const path of ["/proc", "/dev", "/tmp"]) {
    assert.equal(isNetworkFileSystem(statfsSync(path).type), false, path);
  }
});
