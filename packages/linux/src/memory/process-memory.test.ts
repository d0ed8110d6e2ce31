import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { type ProcessIdentity, processIdentity } from "../process/identity.ts";
import { parseMaps } from "./maps.ts";
import { MemoryFile } from "./memory-file.ts";
import { ProcessMemory } from "./process-memory.ts";

const PAGE = 4096;
const PAGES = 64;

/**
 * Maps descriptor 3 privately, changes page 5, reads page 7, and prints where; koffi gives it mmap as it gives us
 * memfd_create. Waits to be killed.
 */
const CHILD = `
import koffi from "koffi";
const mmap = koffi.load(null).func("void *mmap(void *near, size_t bytes, int access, int flags, int fd, int64_t offset)");
const start = mmap(null, ${PAGES * PAGE}, 3, 2, 3, 0);
const bytes = new Uint8Array(koffi.view(start, ${PAGES * PAGE}));
bytes[${5 * PAGE}] = 50;
const seen = bytes[${7 * PAGE}];
console.log(JSON.stringify({ start: Number(koffi.address(start)), seen }));
setInterval(() => {}, 1000);
`;

describe("ProcessMemory", () => {
  const file = MemoryFile.create("wrenn-test", PAGES * PAGE);
  let child: ChildProcess;
  let identity: ProcessIdentity;
  let start = 0;
  let memory: ProcessMemory;
  before(async () => {
    for (let page = 0; page < PAGES; page++) file.write(page * PAGE, Buffer.alloc(PAGE, page));
    file.seal();
    child = spawn(process.execPath, ["--input-type=module", "-e", CHILD], {
      cwd: import.meta.dirname,
      stdio: ["ignore", "pipe", "inherit", file.fd],
    });
    assert.ok(child.stdout);
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const told = JSON.parse(line.toString()) as { start: number; seen: number };
    assert.equal(told.seen, 7);
    start = told.start;
    const found = processIdentity(child.pid ?? 0);
    assert.ok(found);
    identity = found;
    memory = ProcessMemory.open(identity, { start, bytes: file.bytes });
  });
  after(() => {
    memory.close();
    file.close();
    child.kill("SIGKILL");
  });

  it("tells pages that were written from those that were read or not touched", async () => {
    assert.deepEqual([...(await memory.privatePages())], [5]);
  });

  it("reads both, and writes into the process without touching the file", async () => {
    const data = Buffer.alloc(2 * PAGE);
    memory.read(4 * PAGE, data);
    assert.deepEqual([data[0], data[PAGE], data[PAGE + 1]], [4, 50, 5]);
    memory.write(9 * PAGE - 2, Buffer.from([1, 2, 3, 4]));
    const back = Buffer.alloc(4);
    memory.read(9 * PAGE - 2, back);
    assert.deepEqual([...back], [1, 2, 3, 4]);
    assert.deepEqual([...(await memory.privatePages())], [5, 8, 9]);
    const unchanged = Buffer.alloc(PAGE);
    file.read(9 * PAGE, unchanged);
    assert.ok(unchanged.equals(Buffer.alloc(PAGE, 9)));
  });

  it("keeps to its range", () => {
    for (const offset of [-1, file.bytes - 3, 0.5]) {
      assert.throws(() => memory.read(offset, Buffer.alloc(4)), { code: "invalid_argument" });
      assert.throws(() => memory.write(offset, Buffer.alloc(4)), { code: "invalid_argument" });
    }
  });

  it("opens only private writable memory, of that very process", () => {
    const range = { start, bytes: file.bytes };
    const other = { ...identity, startTime: identity.startTime + 1 };
    assert.throws(() => ProcessMemory.open(other, range), { code: "not_found" });
    const code = parseMaps(readFileSync(`/proc/${identity.pid}/maps`, "latin1")).find(
      ({ permissions }) => permissions === "r-xp",
    );
    assert.ok(code);
    for (const wrong of [
      { start: code.start, bytes: PAGE },
      { start: PAGE, bytes: PAGE },
    ]) {
      assert.throws(() => ProcessMemory.open(identity, wrong), { code: "not_found" });
    }
  });

  it("fails when the process has ended, and when closed", async () => {
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
    await assert.rejects(memory.privatePages(), { code: "unavailable" });
    assert.throws(() => memory.read(0, Buffer.alloc(1)), { code: "unavailable" });
    memory.close();
    memory.close();
    await assert.rejects(memory.privatePages(), { code: "unavailable" });
    assert.throws(() => memory.write(0, Buffer.alloc(1)), { code: "unavailable" });
  });
});
