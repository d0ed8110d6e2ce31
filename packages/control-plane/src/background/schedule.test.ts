import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { pino } from "pino";
import { Schedule } from "./schedule.ts";

const log = pino({ level: "silent" });

/** A schedule whose rounds the test ends. */
function scheduled(everyMs: number) {
  const rounds: PromiseWithResolvers<void>[] = [];
  let begun = Promise.withResolvers<void>();
  const work = () => {
    const round = Promise.withResolvers<void>();
    rounds.push(round);
    begun.resolve();
    begun = Promise.withResolvers();
    return round.promise;
  };
  const schedule = new Schedule({ what: "test", everyMs, work, log });
  return { schedule, rounds, next: () => begun.promise };
}

describe("Schedule.soon()", () => {
  test("brings the next round forward", async () => {
    const { schedule, rounds, next } = scheduled(3_600_000);
    schedule.start();
    rounds[0]?.resolve();
    await new Promise(setImmediate);
    const second = next();
    schedule.soon();
    await second;
    assert.equal(rounds.length, 2);
    rounds[1]?.resolve();
    await schedule.stop();
  });

  test("during a round has another one right after it, and not at the same time", async () => {
    const { schedule, rounds, next } = scheduled(3_600_000);
    schedule.start();
    schedule.soon();
    schedule.soon();
    assert.equal(rounds.length, 1);
    const second = next();
    rounds[0]?.resolve();
    await second;
    rounds[1]?.resolve();
    await schedule.stop();
    assert.equal(rounds.length, 2);
  });

  test("does nothing before the start and after the end", async () => {
    const { schedule, rounds } = scheduled(1);
    schedule.soon();
    assert.equal(rounds.length, 0);
    schedule.start();
    rounds[0]?.resolve();
    await schedule.stop();
    schedule.soon();
    assert.equal(rounds.length, 1);
  });
});
