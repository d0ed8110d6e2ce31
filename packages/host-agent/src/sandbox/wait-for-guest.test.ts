import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GuestClient } from "../guest/client.ts";
import { BootFailure, waitForGuest } from "./wait-for-guest.ts";

type Waited = Parameters<typeof waitForGuest>[0]["machine"];

/** A machine whose guest never answers. */
function machine({ exited = new Promise<never>(() => undefined) as Promise<unknown>, console = "" }): Waited {
  return { exited, consoleTail: async () => console } as unknown as Waited;
}

/** Nothing listens on port 1. */
const guest = new GuestClient({ host: "127.0.0.1", token: "", port: 1 });
const gone = new AbortController().signal;

describe("waitForGuest()", () => {
  it("says what was seen last of a machine that ended, which is worth another attempt", async () => {
    const ended = machine({ exited: Promise.resolve({ code: 0 }), console: "[ 0.8] Fatal\n" });
    const waiting = waitForGuest({ machine: ended, guest, deadlineMs: 60_000, gone });
    await assert.rejects(waiting, (reason) => {
      assert.ok(reason instanceof BootFailure);
      assert.match(
        reason.message,
        /ended before its guest answered; its console ends with:\n\[ 0\.8\] Fatal$/,
      );
      return true;
    });
  });

  it("gives up at the deadline, which is worth another attempt", async () => {
    const waiting = waitForGuest({ machine: machine({}), guest, deadlineMs: 30, gone });
    await assert.rejects(waiting, (reason) => {
      assert.ok(reason instanceof BootFailure);
      assert.match(reason.message, /did not answer within .* its console is empty$/);
      return true;
    });
  });

  it("ends with its sandbox, which is worth none", async () => {
    const reason = new Error("deleted");
    const waiting = waitForGuest({
      machine: machine({}),
      guest,
      deadlineMs: 60_000,
      gone: AbortSignal.abort(reason),
    });
    await assert.rejects(waiting, reason);
  });
});
