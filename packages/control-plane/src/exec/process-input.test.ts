import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { ProcessInput } from "./process-input.ts";

/** Input to a process that takes each thing when the test lets it. */
function processInput() {
  const sent: string[] = [];
  const takes: (() => void)[] = [];
  const events: string[] = [];
  const input = new ProcessInput({
    send: (what) => {
      sent.push(what.case);
      const { promise, resolve } = Promise.withResolvers<void>();
      takes.push(resolve);
      return promise;
    },
    pause: () => events.push("pause"),
    resume: () => events.push("resume"),
    onError: assert.ifError,
  });
  return { input, sent, events, take: () => takes.shift()?.() };
}

const typed = { type: "stdin", data: "" } as const;
const resize = { type: "resize", cols: 1, rows: 1 } as const;
const signal = { type: "signal", signal: "SIGINT" } as const;

describe("ProcessInput", () => {
  test("sends signals and sizes past input that waits, in their order", async () => {
    const { input, sent, take } = processInput();
    input.start();
    for (const message of [typed, typed, resize, signal]) input.push(message);
    await turn();
    assert.deepEqual(sent, ["stdin", "resize"]);
    take();
    take();
    await turn();
    assert.deepEqual(sent, ["stdin", "resize", "stdin", "signal"]);
  });

  test("sends what is typed after a size after it, also when both came before the process", async () => {
    for (const early of [true, false]) {
      const { input, sent, take } = processInput();
      if (!early) input.start();
      for (const message of [resize, typed]) input.push(message);
      if (early) input.start();
      await turn();
      assert.deepEqual(sent, ["resize"]);
      take();
      await turn();
      assert.deepEqual(sent, ["resize", "stdin"]);
    }
  });

  test("stops at once, whatever does not come through", async () => {
    const { input, sent } = processInput();
    input.start();
    for (const message of [typed, resize, { type: "stop" } as const]) input.push(message);
    await turn();
    assert.deepEqual(sent.sort(), ["resize", "stdin", "stop"]);
  });

  test("holds a client back that sends sizes without end, and lets it go on when neither lane is full", async () => {
    const { input, events, take } = processInput();
    for (let i = 0; i < 5_000; i++) input.push(resize);
    for (let i = 0; i < 5_000; i++) input.push(typed);
    assert.ok(events.includes("pause"));
    events.length = 0;
    input.start();
    for (let taken = 0; taken < 5_000; taken++) {
      take();
      await turn();
    }
    assert.deepEqual(events, [], "what is typed still waits");
    for (let taken = 0; taken < 5_000; taken++) {
      take();
      await turn();
    }
    assert.deepEqual(events, ["resume"]);
  });
});
