// A sandbox with something to lose, what is done to it, and what must hold of it whatever dies meanwhile.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { newSandboxId } from "@wrenn/core";
import { assertNothingBut } from "../soak/litter.ts";
import type { Agent, Rpc } from "./agent.ts";

/** The default, of which building a template keeps a booted copy. */
const MEMORY_MB = 512;
const CALL_MS = 120_000;
const OPTIONS = { timeoutMs: CALL_MS };

/** A process that holds a word in its memory alone; it is told another one, or asked. Whoever waits here sleeps. */
const KEEPER = `
word=$1
mkfifo /tmp/ask /tmp/answer
echo > /tmp/ready
while read -r new < /tmp/ask; do
  [ "$new" = "" ] || word=$new
  echo "$word" > /tmp/answer
done
`;
const KEEPER_PATH = "/tmp/keeper.sh";

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

/** Goes on from one test to the next, for as long as it lives: a word of its own tells each moment from all others. */
export interface Scene {
  id: string;
  /** What it holds, in memory and on its disk. */
  word: string;
  /** What its last generation may hold: several after an operation that was broken off. Empty = it has none. */
  saved: Set<string>;
  /** The other sandbox that the operation makes, and how a create starts it: by a boot too, unless it says `clone`. */
  other: string;
  start: "" | "clone";
  /** The snapshot that it goes back to. */
  point: { name: string; word: string } | undefined;
  /** The name that a snapshot gets. */
  name: string;
}

let words = 0;

/** Builds the template once; every sandbox of these tests is a clone of it. */
export async function prepare({ rpc }: Agent): Promise<void> {
  for await (const _ of rpc.buildTemplate({ name: "minimal" }, { timeoutMs: 0 }));
  const id = newSandboxId();
  await create(rpc, id, "clone");
  await rpc.destroySandbox({ sandboxId: id });
}

/** The scene, or a new one, ready for the operation. */
export async function stage(agent: Agent, operation: Operation, former?: Scene): Promise<Scene> {
  const { rpc } = agent;
  const scene = former ?? (await begin(rpc));
  scene.other = newSandboxId();
  scene.name = `snap-${words}`;
  scene.start = "";
  if (operation === "pause" && scene.saved.size === 0) {
    // A generation to fall back on.
    await pause(rpc, scene);
    await resume(rpc, scene);
  }
  if (operation === "restore" && scene.point === undefined) {
    const name = `point-${words}`;
    await rpc.createSnapshot({ sandboxId: scene.id, name }, OPTIONS);
    scene.point = { name, word: scene.word };
    scene.saved = new Set([scene.word]);
  }
  await changeWord(rpc, scene);
  if (operation === "resume") await pause(rpc, scene);
  return scene;
}

async function begin(rpc: Rpc): Promise<Scene> {
  const id = newSandboxId();
  const word = `word-${++words}`;
  await create(rpc, id);
  await rpc.writeFile({ sandboxId: id, path: KEEPER_PATH, content: Buffer.from(KEEPER) });
  const keep = `mkfifo /tmp/ready; setsid sh ${KEEPER_PATH} ${word} >/dev/null 2>&1 & cat /tmp/ready`;
  await sh(rpc, id, `echo ${word} > /home/user/word; sync; ${keep}`);
  return { id, word, saved: new Set(), other: "", start: "", point: undefined, name: "" };
}

/** Another word in the memory of a process and, written through, on the disk. */
async function changeWord(rpc: Rpc, scene: Scene): Promise<void> {
  scene.word = `word-${++words}`;
  await sh(
    rpc,
    scene.id,
    `echo ${scene.word} > /tmp/ask; cat /tmp/answer; echo ${scene.word} > /home/user/word; sync`,
  );
}

async function pause(rpc: Rpc, scene: Scene): Promise<void> {
  await rpc.pauseSandbox({ sandboxId: scene.id }, OPTIONS);
  scene.saved = new Set([scene.word]);
}

async function resume(rpc: Rpc, { id }: Scene): Promise<void> {
  await rpc.resumeSandbox({ sandboxId: id, timeoutSec: 0 }, OPTIONS);
}

/** Carries the operation out; rejects when it fails or the agent dies. */
export async function act({ rpc }: Agent, operation: Operation, scene: Scene): Promise<unknown> {
  const { id: sandboxId, other, start, name, point } = scene;
  switch (operation) {
    case "create":
      return await create(rpc, other, start);
    case "pause":
      return await rpc.pauseSandbox({ sandboxId }, OPTIONS);
    case "resume":
      return await rpc.resumeSandbox({ sandboxId, timeoutSec: 0 }, OPTIONS);
    case "fork":
      return await rpc.forkSandbox({ sandboxId, forkIds: [other] }, OPTIONS);
    case "snapshot":
      return await rpc.createSnapshot({ sandboxId, name }, OPTIONS);
    case "restore":
      return await rpc.restoreSandbox({ sandboxId, snapshot: point?.name ?? "" }, OPTIONS);
    case "destroy":
      return await rpc.destroySandbox({ sandboxId }, OPTIONS);
  }
}

/** Status of a sandbox as the agent lists it; undefined = it is not there. */
export async function statusOf({ rpc }: Agent, id: string): Promise<string | undefined> {
  const { sandboxes } = await rpc.listSandboxes({}, { timeoutMs: 10_000 });
  return sandboxes.find(({ sandboxId }) => sandboxId === id)?.status;
}

/** The process of its machine, as its record has it. */
export function machineOf({ dataDir }: Agent, { id }: Pick<Scene, "id">): number {
  const record: unknown = JSON.parse(readFileSync(join(dataDir, "sandboxes", id, "sandbox.json"), "utf8"));
  return (record as { life: { process: { pid: number } } }).life.process.pid;
}

/** The words that a sandbox may hold once an operation on it is over, whether it came to its end or not. */
export function allowedAfter(operation: Operation, { word, point }: Scene): string[] {
  return operation === "restore" && point !== undefined ? [word, point.word] : [word];
}

/**
 * Brings the scene to run after an operation, where it is on disk, and checks that disk and memory are of one moment, which
 * is an allowed one.
 */
export async function assertGoesOn(
  agent: Agent,
  scene: Scene,
  { operation, allowed }: { operation: Operation; allowed: readonly string[] },
): Promise<void> {
  const status = await statusOf(agent, scene.id);
  const found = await assertWhole(agent, scene.id, allowed);
  if (status === "paused") scene.saved = new Set([found]);
  // One that runs may have been saved on the way, or not; a create does nothing to it.
  else if (operation !== "create") scene.saved.add(scene.word).add(found);
  scene.word = found;
}

/** The same of any sandbox. Returns its word. */
export async function assertWhole(agent: Agent, id: string, allowed: Iterable<string>): Promise<string> {
  const status = await statusOf(agent, id);
  assert.ok(status === "running" || status === "paused", `${id} is ${status}`);
  if (status === "paused") await agent.rpc.resumeSandbox({ sandboxId: id, timeoutSec: 0 }, OPTIONS);
  const [onDisk = "", inMemory] = (
    await sh(agent.rpc, id, "cat /home/user/word; echo > /tmp/ask; cat /tmp/answer")
  ).split("\n");
  const expected = [...allowed];
  assert.ok(expected.includes(onDisk), `its disk says ${JSON.stringify(onDisk)} instead of ${expected}`);
  assert.equal(inMemory, onDisk, "memory and disk are of different moments");
  return onDisk;
}

/** What a sandbox whose machine died has left by its last generation, from which it goes on as a whole. */
export async function assertGenerationLeft(agent: Agent, scene: Scene): Promise<void> {
  await resume(agent.rpc, scene);
  scene.word = await assertWhole(agent, scene.id, scene.saved);
  scene.saved = new Set([scene.word]);
}

/** What it has left on its disk, by a boot. */
export async function assertDiskLeft(agent: Agent, scene: Scene, allowed: readonly string[]): Promise<void> {
  await agent.rpc.resumeSandbox({ sandboxId: scene.id, timeoutSec: 0, start: "cold" }, OPTIONS);
  const onDisk = (await sh(agent.rpc, scene.id, "cat /home/user/word")).trim();
  assert.ok(allowed.includes(onDisk), `what the guest had flushed: ${onDisk} instead of ${allowed}`);
}

/** Deletes what the operation made besides, and checks that nothing else is left on the machine. */
export async function tidy(agent: Agent, scene: Scene): Promise<void> {
  await agent.rpc.destroySandbox({ sandboxId: scene.other }, OPTIONS);
  await agent.rpc.deleteSnapshot({ name: scene.name }, OPTIONS);
  await assertNothingBut(agent, (await statusOf(agent, scene.id)) === undefined ? [] : [scene.id]);
}

/** After an operation that came to its end: the scene, running and with nothing besides, or none after a deletion. */
export async function goOn(agent: Agent, operation: Operation, scene: Scene): Promise<Scene | undefined> {
  if (operation === "destroy") {
    await clear(agent, scene);
    return undefined;
  }
  await assertGoesOn(agent, scene, { operation, allowed: allowedAfter(operation, scene).slice(-1) });
  await tidy(agent, scene);
  return scene;
}

/** Deletes all that the scene made, and checks that nothing of it is left on the machine. */
export async function clear(agent: Agent, scene: Scene): Promise<void> {
  await agent.rpc.destroySandbox({ sandboxId: scene.id }, OPTIONS);
  if (scene.point !== undefined) await agent.rpc.deleteSnapshot({ name: scene.point.name }, OPTIONS);
  await tidy(agent, scene);
}

async function create(rpc: Rpc, sandboxId: string, start = ""): Promise<void> {
  const request = { sandboxId, template: "minimal", vcpus: 1, memoryMb: MEMORY_MB, timeoutSec: 0, start };
  await rpc.createSandbox(request, OPTIONS);
}

export async function sh(rpc: Rpc, sandboxId: string, script: string): Promise<string> {
  const request = { sandboxId, cmd: "sh", args: ["-c", script], timeoutSec: 30 };
  const { exitCode, stdout, stderr, timedOut } = await rpc.exec(request, OPTIONS);
  assert.ok(exitCode === 0 && !timedOut, `${script}: ${exitCode} ${Buffer.from(stderr).toString()}`);
  return Buffer.from(stdout).toString();
}
