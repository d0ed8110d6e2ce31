import assert from "node:assert/strict";
import type { writeSync } from "node:fs";
import { it } from "node:test";
import { logDestination } from "./log-destination.ts";

function failing(codes: (string | undefined)[]) {
  const written: string[] = [];
  const write = ((_fd: number, bytes: Buffer, offset: number, length: number) => {
    const code = codes.shift();
    if (code !== undefined) throw Object.assign(new Error(code), { code });
    const part = Math.min(length, 40);
    written.push(bytes.subarray(offset, offset + part).toString());
    return part;
  }) as typeof writeSync;
  return { write, text: () => written.join("") };
}

it("lines that a full disk does not take are dropped, and counted in the next one that it takes", () => {
  const { write, text } = failing(["ENOSPC", "ENOSPC"]);
  const log = logDestination(1, write);
  for (const line of ["one\n", "two\n", "three\n", "four\n"]) log.write(line);
  assert.equal(text(), `{"level":40,"msg":"log lines were dropped","dropped":2}\nthree\nfour\n`);
});

it("a pipe that is full for a moment is tried again", () => {
  const { write, text } = failing(["EAGAIN", "EAGAIN"]);
  logDestination(1, write).write(`${"x".repeat(100)}\n`);
  assert.equal(text(), `${"x".repeat(100)}\n`);
});

it("a pipe that stays full does not hold the caller up for long", () => {
  const began = performance.now();
  logDestination(1, failing(Array.from({ length: 500 }, () => "EAGAIN")).write).write("x\n");
  assert.ok(performance.now() - began < 5000);
});
