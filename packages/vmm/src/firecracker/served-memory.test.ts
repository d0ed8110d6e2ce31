import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { FaultThreads } from "../faults/fault-threads.ts";
import { isForsaken, ServedMemory } from "./served-memory.ts";
import { zeroPages } from "./testing/zero-pages.ts";

it("a memory is never complete whose machine ends before it is there", async () => {
  const dir = mkdtempSync(join(tmpdir(), "wrenn-served-"));
  const spec = { dir: join(dir, "vm"), uid: process.getuid?.() ?? 0, memoryMb: 4 };
  await using threads = new FaultThreads();
  let failures = 0;
  const onFailure = () => {
    failures += 1;
  };
  const memory = new ServedMemory({
    threads,
    spec,
    pages: zeroPages(1024),
    acceptTimeoutMs: 60_000,
    onFailure,
  });
  assert.equal(isForsaken(spec), true);
  const incomplete = assert.rejects(memory.arrival.complete, { code: "unavailable" });
  await memory.stop();
  await incomplete;
  assert.equal(isForsaken(spec), false);
  assert.equal(failures, 0);
  rmSync(dir, { recursive: true });
});
