// Clones of a template on real machines: nothing random is the same in two of them, their clocks are right, and none of
// them can change the memory that they share.
import assert from "node:assert/strict";
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { newSandboxId } from "@wrenn/core";
import { planBlock, processesOfUids } from "@wrenn/linux";
import { type Agent, newAgent } from "../faults/agent.ts";
import { assertNothingLeft } from "../soak/litter.ts";

const CALL_MS = 180_000;
/** Largest error of a guest's clock when its sandbox is reported as running, ms. */
const CLOCK_MS = 500;
/** For which no host agent runs and a machine is stopped, besides what a start takes: well above {@link CLOCK_MS}. */
const STANDS_STILL_MS = 2000;

/** Each prints one line that no two machines may have in common. */
const RANDOMS = {
  "first bytes of /dev/urandom": "head -c 16 /dev/urandom | od -An -v -tx1",
  uuid: "cat /proc/sys/kernel/random/uuid",
  "machine id": "cat /etc/machine-id",
  hostname: "hostname",
} as const;
/** The same of what an interpreter draws, which takes an emulated guest seconds to start: two lines of one start. */
const DRAWN = {
  "an interpreter's random": "python3 -c 'import random, uuid; print(random.random()); print(uuid.uuid4())'",
  "an interpreter's uuid": "",
} as const;

let agent: Agent;
before(async () => {
  agent = await newAgent();
  await agent.start();
  for await (const _ of agent.rpc.buildTemplate({ name: "minimal" }, { timeoutMs: 0 }));
});
after(() => agent[Symbol.asyncDispose]());

/** Makes that many clones at once. */
async function makeClones(count: number, shape: { vcpus: number; memoryMb: number }): Promise<string[]> {
  const ids = Array.from({ length: count }, () => newSandboxId());
  const request = { template: "minimal", timeoutSec: 0, start: "clone", ...shape };
  await Promise.all(
    ids.map((sandboxId) => agent.rpc.createSandbox({ ...request, sandboxId }, { timeoutMs: CALL_MS })),
  );
  return ids;
}

async function deleteClones(ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((sandboxId) => agent.rpc.destroySandbox({ sandboxId }, { timeoutMs: CALL_MS })));
}

describe("8 clones that start at once", () => {
  let ids: string[];
  before(async () => {
    ids = await makeClones(8, { vcpus: 1, memoryMb: 512 });
  });
  after(async () => {
    await deleteClones(ids);
    await assertNothingLeft(agent);
  });

  it("have nothing random in common, and clocks that are right", async () => {
    const script = Object.values(RANDOMS).join("\n");
    const answers = await Promise.all(ids.map(async (id) => (await sh(id, script)).split("\n")));
    for (const [line, what] of Object.keys(RANDOMS).entries()) assertDistinct(answers, line, what);
    for (const id of ids) await assertClock(id);
  });

  it("share memory that none of them can write", async () => {
    const machines = processesOfUids(planBlock(agent.block).vmmUids).map(({ pid }) => pid);
    assert.equal(machines.length, ids.length);
    const mappings = machines.flatMap(imageMappings);
    assert.ok(mappings.length >= machines.length, "each maps the image");
    const inodes = new Set(mappings.map(({ inode }) => inode));
    assert.equal(inodes.size, 1, "all map the same one");
    for (const { line, permissions } of mappings)
      assert.match(permissions, /^r[w-][x-]p$/, `a shared mapping: ${line}`);
    const [first] = mappings;
    assert.ok(first);
    const image = `/proc/${first.pid}/map_files/${first.range}`;
    const before = readHead(image);
    // Every page is written: each machine gets copies of its own.
    await Promise.all(ids.map((id) => sh(id, "head -c 64M /dev/zero >/dev/shm/fill; rm /dev/shm/fill")));
    for (const machine of machines) {
      for (const path of [...imageMappings(machine).map(({ file }) => file), ...imageFiles(machine)]) {
        // As root, who may open everything: it is sealed, not merely closed to somebody.
        const fd = openSync(path, "r+");
        try {
          assert.throws(() => writeSync(fd, Buffer.alloc(1), 0, 1, 0), { code: "EPERM" }, path);
        } finally {
          closeSync(fd);
        }
      }
    }
    assert.ok(readHead(image).equals(before), "the image is as before");
  });
});

describe("clones with two processors", () => {
  it("have nothing random in common on either of them", async () => {
    const ids = await makeClones(2, { vcpus: 2, memoryMb: 256 });
    const onBoth = [0, 1].map((cpu) => `taskset -c ${cpu} sh -c '${RANDOMS["first bytes of /dev/urandom"]}'`);
    const script = [...onBoth, ...Object.values(RANDOMS), ...Object.values(DRAWN)].join("\n");
    const answers = await Promise.all(ids.map(async (id) => (await sh(id, script)).split("\n")));
    const names = ["processor 0", "processor 1", ...Object.keys(RANDOMS), ...Object.keys(DRAWN)];
    for (const [line, what] of names.entries()) assertDistinct(answers, line, what);
    const streams = answers.flatMap((lines) => lines.slice(0, 3));
    assert.equal(new Set(streams).size, streams.length, "two processors gave the same bytes");
    for (const id of ids) await assertClock(id);
    await deleteClones(ids);
    await assertNothingLeft(agent);
  });
});

describe("a machine that stood still and goes on", () => {
  it("has the right time again", async () => {
    const [source = ""] = await makeClones(1, { vcpus: 1, memoryMb: 256 });
    const copy = newSandboxId();
    writeFileSync(agent.faultFile, "agent capture.stopped");
    await assert.rejects(
      agent.rpc.forkSandbox({ sandboxId: source, forkIds: [copy] }, { timeoutMs: CALL_MS }),
    );
    assert.equal(await agent.ended(), "SIGKILL");
    await delay(STANDS_STILL_MS);
    await agent.start();
    await assertClock(source);
    await deleteClones([source]);
    await assertNothingLeft(agent);
  });
});

describe("a template that is built anew, or deleted, while a clone of it is paused", () => {
  it("has left everything to the clone, and to nobody once that has gone", async () => {
    const { rpc } = agent;
    const [clone = ""] = await makeClones(1, { vcpus: 1, memoryMb: 256 });
    await sh(clone, "echo kept > /home/user/word; sync");
    await rpc.pauseSandbox({ sandboxId: clone }, { timeoutMs: CALL_MS });
    for await (const _ of rpc.buildTemplate({ name: "minimal" }, { timeoutMs: 0 }));
    const inUse = async () => (await rpc.getStorage({})).entries.map(({ id }) => id);
    const before = await inUse();
    await rpc.deleteTemplate({ name: "minimal" });
    await rpc.resumeSandbox({ sandboxId: clone, timeoutSec: 0 }, { timeoutMs: CALL_MS });
    assert.equal(await sh(clone, "cat /home/user/word"), "kept");
    await assertClock(clone);
    await deleteClones([clone]);
    await assertNothingLeft(agent);
    const after = await inUse();
    assert.ok(
      before.some((id) => !after.includes(id)),
      `${after} instead of fewer than ${before}`,
    );
    assert.deepEqual(
      (await rpc.getStorage({})).entries.filter(({ kind }) => kind === "snapshot"),
      [],
      "no snapshot is left",
    );
  });
});

function assertDistinct(answers: string[][], line: number, what: string): void {
  const values = answers.map((lines) => lines[line]?.trim() ?? "");
  assert.ok(
    values.every((value) => value !== ""),
    `${what}: ${values}`,
  );
  assert.equal(new Set(values).size, answers.length, `${what}: ${values.join(", ")}`);
}

/**
 * The guest reads its clock between two moments of the host's. The narrowest of some attempts decides, unless one has
 * shown before that the clock is right wherever between the two it was read.
 */
async function assertClock(id: string): Promise<void> {
  let narrowest = { earliest: 0, inside: 0, latest: Number.POSITIVE_INFINITY };
  for (let attempt = 0; attempt < 5; attempt++) {
    const earliest = Date.now();
    const inside = Number(await sh(id, "date +%s%3N"));
    const latest = Date.now();
    if (Math.max(inside - earliest, latest - inside) <= CLOCK_MS) return;
    if (latest - earliest < narrowest.latest - narrowest.earliest) narrowest = { earliest, inside, latest };
  }
  const { earliest, inside, latest } = narrowest;
  const error = Math.max(earliest - inside, inside - latest, 0);
  assert.ok(error <= CLOCK_MS, `${id}: ${earliest} ≤ ${inside} ≤ ${latest} is wrong by ${error} ms`);
}

interface ImageMapping {
  pid: number;
  range: string;
  permissions: string;
  inode: string;
  file: string;
  line: string;
}

/** Where a process maps a file of memory; see proc_pid_maps(5). */
function imageMappings(pid: number): ImageMapping[] {
  return readFileSync(`/proc/${pid}/maps`, "utf8")
    .split("\n")
    .filter((line) => line.includes("/memfd:"))
    .map((line) => {
      const [range = "", permissions = "", , , inode = ""] = line.split(/\s+/);
      return { pid, range, permissions, inode, file: `/proc/${pid}/map_files/${range}`, line };
    });
}

/** Descriptors of a process that are files of memory. */
function imageFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`)
    .map((fd) => `/proc/${pid}/fd/${fd}`)
    .filter((path) => readlinkSync(path).startsWith("/memfd:"));
}

function readHead(path: string): Buffer {
  const bytes = Buffer.alloc(16 << 20);
  const fd = openSync(path, "r");
  try {
    for (let done = 0; done < bytes.length; ) done += readSync(fd, bytes, done, bytes.length - done, done);
  } finally {
    closeSync(fd);
  }
  return bytes;
}

async function sh(sandboxId: string, script: string): Promise<string> {
  const request = { sandboxId, cmd: "sh", args: ["-c", script], timeoutSec: 60 };
  const { exitCode, stdout, stderr } = await agent.rpc.exec(request, { timeoutMs: CALL_MS });
  assert.equal(exitCode, 0, `${script}: ${Buffer.from(stderr)}`);
  return Buffer.from(stdout).toString().trim();
}
