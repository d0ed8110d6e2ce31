import assert from "node:assert/strict";
import { test } from "node:test";
import { type InputSink, ProcessInput } from "./process-input.ts";

function sink() {
  const state = { written: [] as number[], closed: false, gate: Promise.withResolvers<void>() };
  const made: InputSink = {
    async write(bytes) {
      await state.gate.promise;
      state.written.push(...bytes);
    },
    close: () => {
      state.closed = true;
    },
  };
  return { made, state };
}

test("writes happen one after the other, and closing waits for them", async () => {
  const { made, state } = sink();
  const input = new ProcessInput(made, false);
  const writes = [1, 2, 3].map((n) => input.write("stdin", Uint8Array.of(n)));
  input.close();
  await new Promise(setImmediate);
  assert.equal(state.closed, false);
  state.gate.resolve();
  await Promise.all(writes);
  await new Promise(setImmediate);
  assert.deepEqual([state.written, state.closed], [[1, 2, 3], true]);
  await assert.rejects(input.write("stdin", Uint8Array.of(4)), { code: "invalid_state" });
  input.close();
});

test("a process that ends lets the waiting writers go", async () => {
  const { made } = sink();
  const input = new ProcessInput(made, false);
  const waiting = input.write("stdin", Uint8Array.of(1));
  input.dispose();
  await assert.rejects(waiting, { code: "invalid_state" });
});

test("a terminal gets Ctrl-D instead of being closed", async () => {
  const { made, state } = sink();
  state.gate.resolve();
  const input = new ProcessInput(made, true);
  input.close();
  await input.write("pty", Uint8Array.of(65));
  assert.deepEqual([state.written, state.closed], [[4, 65], false]);
  await assert.rejects(input.write("stdin", Uint8Array.of(1)), {
    code: "invalid_argument",
    field: "input.stdin",
  });
});
