import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { CHUNK_BYTES, cowBytes, originTable, parseSnapshotStatus, snapshotTable } from "./table.ts";

describe("cowBytes()", () => {
  it("has room for every chunk and its entry, in the kernel's own layout", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 26 }), (chunks) => {
        // drivers/md/dm-snap-persistent.c: the header, then areas of one metadata chunk and 256 data chunks. The last
        // data chunk ends here; when it fills its area, the metadata chunk of the next one has been cleared by then.
        const area = Math.floor((chunks - 1) / 256);
        const lastData = 1 + area * 257 + 1 + ((chunks - 1) % 256);
        const cleared = chunks % 256 === 0 ? lastData + 1 : lastData;
        assert.ok(cowBytes(chunks * CHUNK_BYTES) >= (cleared + 1) * CHUNK_BYTES);
      }),
    );
  });

  it("is the origin, 1/256 of it and two chunks", () => {
    assert.equal(cowBytes(256 * CHUNK_BYTES), (256 + 1 + 2) * CHUNK_BYTES);
    assert.equal(cowBytes(1), (1 + 1 + 2) * CHUNK_BYTES);
  });
});

describe("tables", () => {
  it("name origin and copy-on-write device, in sectors", () => {
    const table = snapshotTable({ origin: "/dev/loop0", cow: "/dev/loop1", bytes: 1024 * 1024 });
    assert.equal(table, "0 2048 snapshot /dev/loop0 /dev/loop1 P 8");
  });

  it("put zeros behind an image", () => {
    const table = originTable({ image: "/dev/loop0", imageBytes: 1024 * 1024, bytes: 3 * 1024 * 1024 });
    assert.equal(table, "0 2048 linear /dev/loop0 0\n2048 4096 zero");
  });
});

describe("parseSnapshotStatus()", () => {
  it("reads the fill level in bytes", () => {
    const status = parseSnapshotStatus("0 2048 snapshot 16/4128 8\n");
    assert.deepEqual(status, { state: "active", usedBytes: 16 * 512, totalBytes: 4128 * 512 });
  });

  it("tells a lost snapshot from one that works", () => {
    assert.deepEqual(parseSnapshotStatus("0 2048 snapshot Invalid"), { state: "invalid" });
    assert.deepEqual(parseSnapshotStatus("0 2048 snapshot Overflow"), { state: "overflow" });
    assert.deepEqual(parseSnapshotStatus("0 2048 linear"), { state: "other" });
    assert.deepEqual(parseSnapshotStatus(""), { state: "other" });
    assert.deepEqual(parseSnapshotStatus("0 2048 snapshot Unknown"), { state: "other" });
  });
});
