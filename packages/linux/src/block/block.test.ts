import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { WrennError } from "@wrenn/core";
import { BLOCKS, planBlock } from "../plan/plan.ts";
import { type ProcessIdentity, processIdentity } from "../process/identity.ts";
import {
  type BlockClaim,
  type ClaimOptions,
  claimBlock as claim,
  holdBlock,
  releaseBlock as release,
} from "./claim.ts";
import { withMachineLock } from "./machine-lock.ts";
import { hasMachines } from "./machines.ts";

let dir: string;
let runDir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "wrenn-block-"));
  runDir = join(dir, "run");
});
afterEach(() => rmSync(dir, { recursive: true }));

function dataDir(name: string): string {
  const path = join(dir, name);
  mkdirSync(path, { recursive: true });
  return path;
}

/** Blocks whose machines run here, whatever instances there are on the machine of the test. */
let inUse: Set<number>;
beforeEach(() => {
  inUse = new Set();
});
const isInUse = (block: number) => inUse.has(block);
const claimBlock = (options: ClaimOptions) => claim({ isInUse, ...options });
const releaseBlock = (held: BlockClaim) => release(held, isInUse);

const self = processIdentity(process.pid) as ProcessIdentity;
const dead: ProcessIdentity = { pid: self.pid, startTime: self.startTime - 1 };
const withCode = (code: string) => (error: unknown) => error instanceof WrennError && error.code === code;

describe("withMachineLock()", () => {
  it("lets one in at a time, and the next one after a failure", async () => {
    let inside = 0;
    const visits = Array.from({ length: 8 }, (_, i) =>
      withMachineLock(runDir, async () => {
        assert.equal(++inside, 1);
        await new Promise(setImmediate);
        inside--;
        if (i % 2) throw new Error("odd");
        return i;
      }),
    );
    const outcomes = await Promise.allSettled(visits);
    assert.deepEqual(
      outcomes.map((outcome) => outcome.status),
      Array.from({ length: 8 }, (_, i) => (i % 2 ? "rejected" : "fulfilled")),
    );
  });

  it("is free again when its holder was killed", async () => {
    const holder = spawn(
      process.execPath,
      [
        "--input-type=module-typescript",
        "-e",
        `import { withMachineLock } from ${JSON.stringify(join(import.meta.dirname, "machine-lock.ts"))};
         await withMachineLock(${JSON.stringify(runDir)}, () => new Promise(() => {
           console.log("held");
           setInterval(() => {}, 1000);
         }));`,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    await once(holder.stdout, "data");
    const waiting = withMachineLock(runDir, async () => "mine");
    holder.kill("SIGKILL");
    assert.equal(await waiting, "mine");
  });
});

describe("claimBlock()", () => {
  it("gives every instance a number of its own, and takes it back", async () => {
    const claims = await Promise.all(
      ["a", "b", "c"].map((name) => claimBlock({ dataDir: dataDir(name), runDir })),
    );
    assert.deepEqual(claims.map((claim) => claim.block).toSorted(), [0, 1, 2]);
    const [first] = claims;
    assert.ok(first);
    assert.deepEqual(JSON.parse(readFileSync(join(runDir, "blocks", String(first.block)), "utf8")), {
      data_dir: first.dataDir,
      pid: process.pid,
      start_time: self.startTime,
    });
    await releaseBlock(first);
    await releaseBlock(first);
    assert.equal((await claimBlock({ dataDir: dataDir("d"), runDir })).block, first.block);
  });

  it("returns a crashed instance its own number, not that of another", async () => {
    await claimBlock({ dataDir: dataDir("a"), runDir, holder: dead });
    await claimBlock({ dataDir: dataDir("b"), runDir, holder: dead });
    assert.equal((await claimBlock({ dataDir: dataDir("b"), runDir })).block, 1);
    assert.equal((await claimBlock({ dataDir: dataDir("c"), runDir })).block, 2);
  });

  it("refuses a data directory that a running instance has, by whatever path", async () => {
    const other = spawn("sleep", ["60"], { stdio: "ignore" });
    try {
      const holder = processIdentity(other.pid ?? 0);
      assert.ok(holder);
      await claimBlock({ dataDir: dataDir("a"), runDir, holder });
      const again = claimBlock({ dataDir: `${dataDir("b")}/../a`, runDir });
      await assert.rejects(again, withCode("invalid_state"));
    } finally {
      other.kill("SIGKILL");
      await once(other, "exit");
    }
    assert.equal((await claimBlock({ dataDir: dataDir("a"), runDir })).block, 0);
  });

  it("does not release what somebody else has claimed since", async () => {
    const old = await claimBlock({ dataDir: dataDir("a"), runDir, holder: dead });
    await claimBlock({ dataDir: dataDir("a"), runDir });
    await releaseBlock(old);
    assert.equal((await claimBlock({ dataDir: dataDir("b"), runDir })).block, 1);
  });

  it("reuses, when all are taken, the number of a holder that is gone with its data", async () => {
    mkdirSync(join(runDir, "blocks"), { recursive: true });
    const write = (block: number, data: string, holder: ProcessIdentity) =>
      writeFileSync(
        join(runDir, "blocks", String(block)),
        JSON.stringify({ data_dir: data, pid: holder.pid, start_time: holder.startTime }),
      );
    for (let block = 0; block < BLOCKS; block++) write(block, dataDir("kept"), dead);
    write(100, join(dir, "gone"), self);
    await assert.rejects(claimBlock({ dataDir: dataDir("a"), runDir }), withCode("capacity"));
    write(100, join(dir, "gone"), dead);
    assert.equal((await claimBlock({ dataDir: dataDir("a"), runDir })).block, 100);
  });

  it("keeps the claim of a block whose machines run for its data directory", async () => {
    const held = await claimBlock({ dataDir: dataDir("a"), runDir });
    inUse.add(0);
    await releaseBlock(held);
    assert.equal((await claimBlock({ dataDir: dataDir("b"), runDir })).block, 1);
    assert.equal((await claimBlock({ dataDir: dataDir("a"), runDir })).block, 0);
  });

  it("gives nobody a number whose machines run, with a claim or without", async () => {
    await claimBlock({ dataDir: dataDir("a"), runDir, holder: dead });
    rmSync(dataDir("a"), { recursive: true });
    for (let block = 0; block < BLOCKS; block++) inUse.add(block);
    await assert.rejects(claimBlock({ dataDir: dataDir("b"), runDir }), withCode("capacity"));
    inUse.delete(7);
    assert.equal((await claimBlock({ dataDir: dataDir("b"), runDir })).block, 7);
    inUse.delete(0);
    for (let block = 0; block < BLOCKS; block++) if (block !== 0) inUse.add(block);
    assert.equal((await claimBlock({ dataDir: dataDir("c"), runDir })).block, 0);
  });

  it("does not take a file that it cannot read for a free number", async () => {
    mkdirSync(join(runDir, "blocks"), { recursive: true });
    writeFileSync(join(runDir, "blocks", "0"), "{");
    await assert.rejects(claimBlock({ dataDir: dataDir("a"), runDir }), withCode("internal"));
  });
});

describe("holdBlock()", () => {
  it("claims a block that was given, and leaves it to the supervisor of the same directory", async () => {
    const own = await holdBlock(7, { dataDir: dataDir("a"), runDir });
    assert.equal(own?.block, 7);
    await assert.rejects(holdBlock(7, { dataDir: dataDir("b"), runDir }), withCode("invalid_state"));
    assert.equal((await holdBlock(7, { dataDir: dataDir("a"), runDir }))?.block, 7, "its own, once more");
    await releaseBlock(own);

    await claimBlock({ dataDir: dataDir("b"), runDir, holder: self });
    const other = { pid: 1, startTime: processIdentity(1)?.startTime ?? 0 };
    assert.equal(await holdBlock(0, { dataDir: dataDir("b"), runDir, holder: other }), undefined);
  });

  it("refuses another block while machines of the directory run in the one that it has", async () => {
    await claimBlock({ dataDir: dataDir("a"), runDir, holder: dead });
    inUse.add(0);
    const elsewhere = holdBlock(3, { dataDir: dataDir("a"), runDir, isInUse });
    await assert.rejects(
      elsewhere,
      (error) => withCode("invalid_state")(error) && /block 0/.test(String(error)),
    );
    assert.equal((await holdBlock(0, { dataDir: dataDir("a"), runDir, isInUse }))?.block, 0);
  });

  it("takes over what a dead process of the same directory held, and what nobody can want", async () => {
    await claimBlock({ dataDir: dataDir("a"), runDir, holder: dead });
    assert.equal((await holdBlock(0, { dataDir: dataDir("a"), runDir }))?.holder.pid, self.pid);
    await claimBlock({ dataDir: dataDir("gone"), runDir, holder: dead });
    rmSync(dataDir("gone"), { recursive: true });
    assert.equal((await holdBlock(1, { dataDir: dataDir("b"), runDir }))?.block, 1);
  });
});

describe("hasMachines()", () => {
  it("sees a process of the last user of the block, and none of a neighbour's", async () => {
    const block = BLOCKS - 1;
    const { controlPlaneUid, vmmUids } = planBlock(block);
    assert.equal(hasMachines(block), false);
    for (const [uid, expected] of [
      [vmmUids.last, true],
      [vmmUids.last + 1, false],
      [controlPlaneUid, false],
    ] as const) {
      const machine = spawn("sleep", ["60"], { uid, gid: uid, stdio: "ignore" });
      assert.equal(hasMachines(block), expected, String(uid));
      machine.kill("SIGKILL");
      await once(machine, "exit");
    }
  });
});
