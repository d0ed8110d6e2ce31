import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import type { MachineExit } from "@wrenn/vmm";
import { whileItLives } from "./while-it-lives.ts";

describe("whileItLives()", () => {
  it("ends with the machine, before the time is up", async () => {
    const { promise: exited, resolve } = Promise.withResolvers<MachineExit>();
    const signal = whileItLives({ exited }, 60_000);
    const ended = once(signal, "abort");
    assert.equal(signal.aborted, false);
    resolve({ status: 137 });
    await ended;
    assert.match(signal.reason.message, /the machine has ended/);
  });

  it("ends in time with a machine that goes on", async () => {
    const signal = whileItLives({ exited: new Promise(() => {}) }, 1);
    if (!signal.aborted) await once(signal, "abort");
    assert.equal(signal.reason.name, "TimeoutError");
  });
});
