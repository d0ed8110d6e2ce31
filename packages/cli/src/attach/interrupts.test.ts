import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { describe, it } from "node:test";
import { CliError } from "../failure.ts";
import { Interrupts } from "./interrupts.ts";

const statusOf = ({ signal }: Interrupts) => (signal.reason as CliError | undefined)?.exitStatus;

describe("Interrupts", () => {
  it("aborts at once while there is no command", () => {
    const process = new EventEmitter();
    using interrupts = new Interrupts(process);
    process.emit("SIGINT", "SIGINT");
    assert.equal(statusOf(interrupts), 130);
  });

  it("hands the first SIGINT on, and aborts at the second", () => {
    const process = new EventEmitter();
    using interrupts = new Interrupts(process);
    let handed = 0;
    interrupts.onInterrupt = () => {
      handed += 1;
    };
    process.emit("SIGINT", "SIGINT");
    assert.deepEqual([handed, interrupts.signal.aborted], [1, false]);
    process.emit("SIGINT", "SIGINT");
    assert.deepEqual([handed, statusOf(interrupts)], [1, 130]);
  });

  it("aborts at SIGTERM and SIGHUP, and is not changed by more of them", () => {
    const process = new EventEmitter();
    using interrupts = new Interrupts(process);
    interrupts.onInterrupt = () => assert.fail("not for SIGTERM");
    process.emit("SIGTERM", "SIGTERM");
    process.emit("SIGHUP", "SIGHUP");
    assert.ok(interrupts.signal.reason instanceof CliError);
    assert.equal(statusOf(interrupts), 143);
  });

  it("gives the signals back", () => {
    const process = new EventEmitter();
    new Interrupts(process)[Symbol.dispose]();
    assert.deepEqual(process.eventNames(), []);
  });
});
