import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DiskFailures } from "./disk-failures.ts";

const MINUTE = 60_000;

describe("DiskFailures", () => {
  it("tells of the first request of an episode, however long it lasts", () => {
    let now = 0;
    const failures = new DiskFailures(() => now);
    assert.equal(failures.begins("disk_full"), true);
    for (let failed = 0; failed < 1000; failed++) assert.equal(failures.begins("disk_full"), false);
    for (; now < 60 * MINUTE; now += 9 * MINUTE) assert.equal(failures.begins("disk_full"), false);
  });

  it("begins a new one after ten quiet minutes, and keeps what is full apart from what is broken", () => {
    let now = 0;
    const failures = new DiskFailures(() => now);
    assert.equal(failures.begins("disk_full"), true);
    assert.equal(failures.begins("disk_error"), true);
    now = 10 * MINUTE;
    assert.equal(failures.begins("disk_full"), true);
    assert.equal(failures.begins("disk_full"), false);
  });
});
