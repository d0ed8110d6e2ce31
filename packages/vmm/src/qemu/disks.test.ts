import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { describe, it } from "node:test";
import { diskErrorOf } from "./disks.ts";

describe("diskErrorOf()", () => {
  const event = (operation: string, node = "root2") => ({ "node-name": node, operation, action: "report" });

  it("tells a disk that is broken from one that is full, by the room that is left", () => {
    assert.deepEqual(diskErrorOf(event("write"), tmpdir()), { diskId: "root", enospc: false });
    // That file system has no room at all.
    assert.deepEqual(diskErrorOf(event("write"), "/proc"), { diskId: "root", enospc: true });
    assert.deepEqual(diskErrorOf(event("read"), "/proc"), { diskId: "root", enospc: false });
  });

  it("knows the disk by its node, and nothing by another's", () => {
    assert.equal(diskErrorOf(event("write", "state0f"), tmpdir())?.diskId, "state");
    assert.equal(diskErrorOf(event("write", "#block123"), tmpdir()), undefined);
    assert.equal(diskErrorOf({ operation: "write" }, tmpdir()), undefined);
  });
});
