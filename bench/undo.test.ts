import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, it } from "node:test";

const UNDO = join(import.meta.dirname, "undo.ts");

/** Runs a program that has made three things; `then` is what it does next. Returns what it printed and how it ended. */
async function run(then: string, signal?: NodeJS.Signals): Promise<{ printed: string; status: number }> {
  const program = `
    const { interruptible, undoable } = await import(${JSON.stringify(UNDO)});
    process.exitCode = await interruptible(async () => {
      const print = (word) => process.stdout.write(word + " ");
      undoable(() => print("first"));
      const second = undoable(() => print("second"));
      undoable(async () => { await new Promise(setImmediate); print("third"); });
      print("made");
      ${then}
    });`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const exited = once(child, "exit") as Promise<[number]>;
  if (signal) child.stdout.once("data", () => child.kill(signal));
  const printed = await text(child.stdout);
  return { printed: printed.trim(), status: (await exited)[0] };
}

const FOREVER = "await new Promise((resolve) => setTimeout(resolve, 60_000));";

describe("interruptible()", () => {
  it("undoes what is left, the last first, and returns the result", async () => {
    assert.deepEqual(await run("second(); second(); return 3;"), {
      printed: "made second third first",
      status: 3,
    });
  });

  it("does so when the work fails", async () => {
    assert.deepEqual(await run('throw new Error("broken");'), {
      printed: "made third second first",
      status: 1,
    });
  });

  it("goes on when one of them cannot be undone, and says so", async () => {
    const fails = 'undoable(() => { throw new Error("busy"); }); return 0;';
    assert.deepEqual(await run(fails), { printed: "made third second first", status: 1 });
  });

  it("ends work that is under way at Ctrl-C and SIGTERM", async () => {
    const printed = "made third second first";
    assert.deepEqual(await run(FOREVER, "SIGINT"), { printed, status: 130 });
    assert.deepEqual(await run(FOREVER, "SIGTERM"), { printed, status: 143 });
  });

  it("does not take for a failure what the signal made fail", async () => {
    const fails = `
      setTimeout(() => {}, 60_000);
      await new Promise((_, reject) => process.once("SIGINT", () => reject(new Error("a child has ended"))));`;
    assert.deepEqual(await run(fails, "SIGINT"), { printed: "made third second first", status: 130 });
  });
});
