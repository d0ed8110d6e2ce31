import assert from "node:assert/strict";
import { test } from "node:test";
import { endEvent } from "./exit-status.ts";

test("endEvent() passes the process's own exit code", () => {
  assert.deepEqual(endEvent({ code: 0, signal: null }, false), {
    exitCode: 0,
    exited: true,
    status: "exit status 0",
    timedOut: false,
  });
  assert.equal(endEvent({ code: 137, signal: null }, false).exitCode, 137);
});

test("endEvent() never makes an exit code of a signal or of nothing", () => {
  for (const [signal, status] of [
    ["SIGKILL", "signal: killed"],
    ["SIGXCPU", "signal: xcpu"],
    ["35", "signal: 35"],
  ] as const) {
    const event = endEvent({ code: null, signal }, true);
    assert.deepEqual(
      [event.exitCode, event.exited, event.status, event.signal, event.timedOut],
      [-1, false, status, signal, true],
    );
  }
  const unknown = endEvent({ code: null, signal: null }, false);
  assert.deepEqual([unknown.exitCode, unknown.exited, unknown.status], [-1, false, "unknown"]);
  assert.ok(unknown.error);
});
