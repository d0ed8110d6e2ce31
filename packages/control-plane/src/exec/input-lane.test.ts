import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { InputLane } from "./input-lane.ts";

function lane() {
  const events: string[] = [];
  const errors: unknown[] = [];
  const made = new InputLane({
    pause: () => events.push("pause"),
    resume: () => events.push("resume"),
    onError: (reason) => errors.push(reason),
  });
  return { lane: made, events, errors };
}

describe("InputLane", () => {
  test("delivers one after the other, in order, from the start on", async () => {
    const { lane: made, events } = lane();
    let busy = false;
    for (const name of ["a", "b", "c"]) {
      made.push({
        bytes: 1,
        deliver: async () => {
          assert.equal(busy, false);
          busy = true;
          await turn();
          busy = false;
          events.push(name);
        },
      });
    }
    await turn();
    assert.equal(events.length, 0);
    made.start();
    while (!events.includes("c")) await turn();
    assert.deepEqual(
      events.filter((name) => name.length === 1),
      ["a", "b", "c"],
    );
  });

  test("delivers what is pushed right behind an empty start, and right behind the last delivery", async () => {
    const { lane: made, events } = lane();
    made.start();
    const item = (name: string, after?: () => void) => ({
      bytes: 1,
      deliver: async () => {
        events.push(name);
        if (after) void Promise.resolve().then(after);
      },
    });
    const last = () => made.push(item("b"));
    made.push(item("a", () => queueMicrotask(() => queueMicrotask(last))));
    await turn();
    assert.deepEqual(
      events.filter((name) => name.length === 1),
      ["a", "b"],
    );
  });

  test("holds the client back above the bound, also by the number of messages", async () => {
    for (const [bytes, count] of [
      [600 * 1024, 2],
      [0, 5_000],
    ] as const) {
      const { lane: made, events } = lane();
      for (let i = 0; i < count; i++) made.push({ bytes, deliver: async () => undefined });
      assert.ok(events.includes("pause"));
      events.length = 0;
      made.start();
      while (events.length === 0) await turn();
      assert.equal(events[0], "resume");
    }
  });

  test("tells of the first failure and delivers nothing after it", async () => {
    const { lane: made, errors } = lane();
    const reason = new Error("gone");
    let later = false;
    made.push({ bytes: 1, deliver: () => Promise.reject(reason) });
    made.push({
      bytes: 1,
      deliver: async () => {
        later = true;
      },
    });
    made.start();
    while (errors.length === 0) await turn();
    await turn();
    assert.deepEqual([errors, later], [[reason], false]);
  });
});
