import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Activity } from "./activity.ts";

describe("Activity", () => {
  it("expires exactly timeoutSec after the last use ended", () => {
    let now = 1000;
    const activity = new Activity(() => now);
    const end = activity.begin();
    now = 60_000;
    assert.ok(!activity.isExpired(5), "an operation in progress is activity");
    end();
    now = 64_999;
    assert.ok(!activity.isExpired(5));
    now = 65_000;
    assert.ok(activity.isExpired(5));
    activity.touch();
    assert.ok(!activity.isExpired(5));
  });

  it("is not moved by a wall clock that is set, and tells its times by the one that is", () => {
    let [now, wall] = [1000, 1_700_000_000_000];
    const activity = new Activity(
      () => now,
      () => wall,
    );
    now += 2000;
    wall += 8 * 3_600_000;
    assert.ok(!activity.isExpired(5));
    assert.equal(activity.lastActiveAt, wall - 2000);
    assert.equal(activity.expiresAt(5), wall + 3000);
    now += 3000;
    wall = 0;
    assert.ok(activity.isExpired(5));
  });

  it("was last active no later than it was, whatever the fractions of a millisecond", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e6, noNaN: true }),
        fc.double({ min: 0, max: 1e6, noNaN: true }),
        (used, idle) => {
          let now = used;
          const activity = new Activity(
            () => now,
            () => Math.trunc(now),
          );
          now += idle;
          assert.ok(activity.lastActiveAt <= Math.trunc(used));
          assert.ok(activity.lastActiveAt >= Math.trunc(used) - 2);
        },
      ),
    );
  });

  it("0 means no time-out", () => {
    const activity = new Activity(() => Number.MAX_SAFE_INTEGER);
    assert.equal(activity.expiresAt(0), undefined);
    assert.ok(!activity.isExpired(0));
  });

  it("never expires while any operation is open, however ends interleave and repeat", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5), { maxLength: 40 }), (steps) => {
        let now = 0;
        const activity = new Activity(() => now);
        const open: (() => void)[] = [];
        const closed: (() => void)[] = [];
        for (const step of steps) {
          now += 10_000;
          if (step < 3) open.push(activity.begin());
          else {
            const end = open.shift() ?? closed[0];
            end?.();
            if (end) closed.push(end);
          }
          if (open.length > 0) assert.ok(!activity.isExpired(1));
        }
        for (const end of open) end();
        now += 1000;
        assert.ok(activity.isExpired(1));
      }),
    );
  });
});
