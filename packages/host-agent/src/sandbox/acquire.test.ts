import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Semaphore } from "async-mutex";
import { acquire } from "./acquire.ts";

describe("acquire()", () => {
  it("gives a place up for the next when its waiter was aborted", async () => {
    const semaphore = new Semaphore(1);
    const never = new AbortController().signal;
    const first = await acquire(semaphore, never);
    const impatient = new AbortController();
    const second = acquire(semaphore, impatient.signal);
    const third = acquire(semaphore, never);
    impatient.abort(new Error("gone"));
    await assert.rejects(second, /gone/);
    first();
    (await third)();
    assert.equal(semaphore.getValue(), 1);
  });

  it("does not start to wait for a reason that is already gone", async () => {
    await assert.rejects(acquire(new Semaphore(1), AbortSignal.abort(new Error("gone"))), /gone/);
  });
});
