// A sandbox with something to lose, and what must hold of it whatever dies.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { newSandboxId } from "@wrenn/core";
import { listNetns, planBlock, processesOfUids } from "@wrenn/linux";
import type { Agent } from "./agent.ts";

/** The default, of which building a template keeps a booted copy. */
const MEMORY_MB = 512;
const CALL_MS = 120_000;
/** Between two looks at what goes on in the background. */
const POLL_MS = 20;

/** A process that holds a word in its memory alone and tells it when it is asked. Whoever waits here sleeps. */
const KEEPER = `
word=$1
mkfifo /tmp/ask /tmp/answer
echo $$ > /tmp/keeper
echo > /tmp/ready
while read -r _ < /tmp/ask; do echo "$word" > /tmp/answer; done
`;

const KEEPER_PATH = "/tmp/keeper.sh";

/** Puts a word into the memory of a process and, written through, on the disk. */
function keep(word: string): string {
  return `mkfifo /tmp/ready; setsid sh ${KEEPER_PATH} ${word} >/dev/null 2>&1 & echo ${word} > /home/user/word; sync; cat /tmp/ready`;
}

export type Operation = "create" | "pause" | "resume" | "fork" | "snapshot" | "restore" | "destroy";
export const OPERATIONS: readonly Operation[] = [
  "create",
  "pause",
  "resume",
  "fork",
  "snapshot",
  "restore",
  "destroy",
];

export interface Scene {
  id: string;
  /** The other sandbox that the operation makes. */
  other: string;
  /** What the sandbox may hold afterwards: its state is one of them as a whole. */
  words: string[];
  /** The name that a snapshot gets. */
  snapshot: string;
}

/** Builds the template once; every sandbox of these tests is a clone of it. */
export async function prepare({ rpc }: Agent): Promise<void> {
  for await (const _ of rpc.buildTemplate({ name: "minimal" }, { timeoutMs: 0 }));
  const id = newSandboxId();
  await create(rpc, id, "clone");
  await rpc.destroySandbox({ sandboxId: id });
}

/** A sandbox that is ready for the operation. */
export async function stage({ rpc }: Agent, operation: Operation): Promise<Scene> {
  const scene = {
    id: newSandboxId(),
    other: newSandboxId(),
    words: ["first"],
    snapshot: `snap-${Date.now()}`,
  };
  await create(rpc, scene.id);
  await rpc.writeFile({ sandboxId: scene.id, path: KEEPER_PATH, content: Buffer.from(KEEPER) });
  await sh(rpc, scene.id, keep("first"));
  if (operation === "pause") {
    // A generation to fall back on, and something newer that is on the disk.
    await rpc.pauseSandbox({ sandboxId: scene.id }, { timeoutMs: CALL_MS });
    await rpc.resumeSandbox({ sandboxId: scene.id, timeoutSec: 0 }, { timeoutMs: CALL_MS });
    await changeWord(rpc, scene);
  }
  if (operation === "resume") await rpc.pauseSandbox({ sandboxId: scene.id }, { timeoutMs: CALL_MS });
  if (operation === "restore") {
    await rpc.createSnapshot({ sandboxId: scene.id, name: scene.snapshot }, { timeoutMs: CALL_MS });
    await changeWord(rpc, scene);
  }
  return scene;
}

async function changeWord(rpc: Agent["rpc"], scene: Scene): Promise<void> {
  await sh(rpc, scene.id, `kill $(cat /tmp/keeper); rm /tmp/ask /tmp/answer /tmp/ready; ${keep("second")}`);
  scene.words.push("second");
}

/** Carries the operation out; rejects when it fails or the agent dies. */
export async function act({ rpc }: Agent, operation: Operation, scene: Scene): Promise<unknown> {
  const { id: sandboxId, other, snapshot } = scene;
  const options = { timeoutMs: CALL_MS };
  switch (operation) {
    case "create":
      return await create(rpc, other);
    case "pause":
      return await rpc.pauseSandbox({ sandboxId }, options);
    case "resume":
      return await rpc.resumeSandbox({ sandboxId, timeoutSec: 0 }, options);
    case "fork":
      return await rpc.forkSandbox({ sandboxId, forkIds: [other] }, options);
    case "snapshot":
      return await rpc.createSnapshot({ sandboxId, name: snapshot }, options);
    case "restore":
      return await rpc.restoreSandbox({ sandboxId, snapshot }, options);
    case "destroy":
      return await rpc.destroySandbox({ sandboxId }, options);
  }
}

/** Status of a sandbox as the agent lists it; undefined = it is not there. */
export async function statusOf({ rpc }: Agent, id: string): Promise<string | undefined> {
  const { sandboxes } = await rpc.listSandboxes({}, { timeoutMs: 10_000 });
  return sandboxes.find(({ sandboxId }) => sandboxId === id)?.status;
}

/** Brings the sandbox to run, where it is on disk, and checks that disk and memory are of one moment. */
export async function assertWhole(agent: Agent, id: string, words: readonly string[]): Promise<void> {
  const status = await statusOf(agent, id);
  assert.ok(status === "running" || status === "paused", `${id} is ${status}`);
  if (status === "paused")
    await agent.rpc.resumeSandbox({ sandboxId: id, timeoutSec: 0 }, { timeoutMs: CALL_MS });
  const onDisk = (await sh(agent.rpc, id, "cat /home/user/word")).trim();
  const inMemory = (await sh(agent.rpc, id, "echo > /tmp/ask; cat /tmp/answer")).trim();
  assert.ok(words.includes(onDisk), `its disk says ${JSON.stringify(onDisk)}`);
  assert.equal(inMemory, onDisk, "memory and disk are of different moments");
}

/** What a sandbox whose machine died has left: the newest disk, or a whole generation from before. */
export async function assertSalvaged(
  agent: Agent,
  scene: Scene,
  { cold, newest }: { cold: boolean; newest: string | undefined },
): Promise<void> {
  const request = { sandboxId: scene.id, timeoutSec: 0, start: cold ? "cold" : "" };
  await agent.rpc.resumeSandbox(request, { timeoutMs: CALL_MS });
  if (!cold) return await assertWhole(agent, scene.id, scene.words.slice(0, 1));
  const onDisk = (await sh(agent.rpc, scene.id, "cat /home/user/word")).trim();
  assert.equal(onDisk, newest, "what the guest had flushed");
}

/** Deletes what the scene made, and checks that nothing of it is left on the machine. */
export async function clear(agent: Agent, scene: Scene): Promise<void> {
  const { rpc, block } = agent;
  for (const sandboxId of [scene.id, scene.other])
    await rpc.destroySandbox({ sandboxId }, { timeoutMs: CALL_MS });
  await rpc.deleteSnapshot({ name: scene.snapshot }, { timeoutMs: CALL_MS });
  assert.deepEqual((await rpc.listSandboxes({})).sandboxes, []);
  assert.deepEqual(readdirSync(join(agent.dataDir, "sandboxes")), []);
  const { vmmUids, netnsPrefix } = planBlock(block);
  assert.deepEqual(processesOfUids(vmmUids), [], "a machine still runs");
  const deadline = Date.now() + 10_000;
  // What nobody needs is removed in the background; slots are prepared there.
  for (;;) {
    const { entries } = await rpc.getStorage({}, { timeoutMs: 10_000 });
    const litter = entries.filter(({ usedBy }) => usedBy.length === 0);
    const kept = readdirSync(join(agent.dataDir, "snapshots")).length;
    const slots = listNetns().filter((name) => name.startsWith(netnsPrefix)).length;
    const snapshots = entries.filter(({ kind }) => kind === "snapshot").length;
    if (litter.length === 0 && kept === snapshots && slots <= 2) return;
    await delay(POLL_MS);
    assert.ok(
      Date.now() < deadline,
      `left: ${litter.length} entries, ${kept - snapshots} half-made snapshots, ${slots} slots`,
    );
  }
}

async function create(rpc: Agent["rpc"], sandboxId: string, start = ""): Promise<void> {
  const request = { sandboxId, template: "minimal", vcpus: 1, memoryMb: MEMORY_MB, timeoutSec: 0, start };
  await rpc.createSandbox(request, { timeoutMs: CALL_MS });
}

async function sh(rpc: Agent["rpc"], sandboxId: string, script: string): Promise<string> {
  const request = { sandboxId, cmd: "sh", args: ["-c", script], timeoutSec: 30 };
  const { exitCode, stdout, stderr, timedOut } = await rpc.exec(request, { timeoutMs: CALL_MS });
  assert.ok(exitCode === 0 && !timedOut, `${script}: ${exitCode} ${Buffer.from(stderr).toString()}`);
  return Buffer.from(stdout).toString();
}
