// Many sandboxes at once: bursts of creates, forks, and what an idle clone takes.
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { WrennClient } from "@wrenn/sdk";
import { FloorMachine, flatImage, type Pattern, startRequest } from "./floor-machine.ts";
import { proportionalSetSize } from "./memory.ts";
import type { Result } from "./result.ts";
import { figure } from "./statistics.ts";
import { undoable } from "./undo.ts";

const TRUE = "/bin/true";

/** Bursts of `count` creates, each with its first exec, and the memory of those clones once all have answered. */
export async function benchBurst(
  { client, dataDir, pattern }: { client: WrennClient; dataDir: string; pattern: Pattern },
  { count, rounds }: { count: number; rounds: number },
): Promise<Result[]> {
  const ms = { platform: [] as number[], raw: [] as number[] };
  const mib = { platform: [] as number[], raw: [] as number[] };
  const machines = Array.from({ length: count }, (_, i) => new FloorMachine(pattern, `b${i}`));
  try {
    for (let round = 0; round < rounds; round++) {
      const began = performance.now();
      const ids = await Promise.all(
        machines.map(async () => {
          const { id } = await client.sandboxes.create({ template: "minimal", start: "clone" });
          await client.sandboxes.exec(id, { cmd: TRUE });
          return id;
        }),
      );
      ms.platform.push(performance.now() - began);
      mib.platform.push(meanMemory(ids.map((id) => processOf(dataDir, id))));
      await Promise.all(ids.map((id) => client.sandboxes.delete(id)));

      const exec = startRequest(TRUE);
      const begun = performance.now();
      const started = await Promise.all(machines.map((machine) => machine.start({ exec })));
      ms.raw.push(performance.now() - begun);
      mib.raw.push(meanMemory(started.map(({ pid = 0 }) => pid)));
      await Promise.all(machines.map((machine) => machine.end()));
    }
  } finally {
    for (const machine of machines) await machine.close();
  }
  return [
    {
      name: `burst of ${count} creates, each to its first exec`,
      unit: "ms",
      platform: figure(ms.platform),
      raw: figure(ms.raw),
      promises: [{ number: "L6", of: "ratio", bound: { max: 1.5 } }],
    },
    {
      name: `memory of an idle clone, of ${count} (PSS)`,
      unit: "MiB",
      platform: figure(mib.platform),
      raw: figure(mib.raw),
      promises: [{ number: "L7", of: "ratio", bound: { max: 1.1 } }],
    },
  ];
}

/** Forks of a fresh sandbox: until all copies have confirmed their init, and how long the source stood still. */
export async function benchForks(
  { client, dataDir, pattern }: { client: WrennClient; dataDir: string; pattern: Pattern },
  { counts, rounds }: { counts: number[]; rounds: number },
): Promise<Result[]> {
  const still = { platform: [] as number[], raw: [] as number[] };
  const results: Result[] = [];
  for (const count of counts) {
    const ms = { platform: [] as number[], raw: [] as number[] };
    const source = new FloorMachine(pattern, "source");
    const copies = Array.from({ length: count }, (_, i) => new FloorMachine(pattern, `f${i}`));
    try {
      for (let round = 0; round < rounds; round++) {
        const { id } = await client.sandboxes.create({ template: "minimal", start: "clone" });
        await client.sandboxes.exec(id, { cmd: TRUE });
        const began = performance.now();
        const forks = await client.sandboxes.fork(id, { count });
        ms.platform.push(performance.now() - began);
        still.platform.push(stoodStill(dataDir, id));
        await Promise.all([id, ...forks.map((fork) => fork.id)].map((each) => client.sandboxes.delete(each)));
        const raw = await forkByHand(source, copies, pattern);
        ms.raw.push(raw.ms);
        still.raw.push(raw.still);
      }
    } finally {
      for (const machine of [source, ...copies]) await machine.close();
    }
    results.push({
      name: `fork, ${count === 1 ? "1 copy" : `${count} copies`}`,
      unit: "ms",
      platform: figure(ms.platform),
      raw: figure(ms.raw),
      promises: [],
    });
  }
  results.push({
    name: "fork: the source stands still",
    unit: "ms",
    platform: figure(still.platform),
    raw: figure(still.raw),
    promises: [{ number: "L5", of: "ratio", bound: { max: 1.5, plus: 20 } }],
  });
  return results;
}

async function forkByHand(
  source: FloorMachine,
  copies: readonly FloorMachine[],
  pattern: Pattern,
): Promise<{ ms: number; still: number }> {
  await source.start({ exec: startRequest(TRUE) });
  const flat = flatImage("fork", pattern.memoryBytes);
  const removeFlat = undoable(() => rmSync(flat));
  const saved = join(pattern.scratch, source.name, "saved");
  try {
    const began = performance.now();
    const { still = 0 } = await source.freeze(saved, flat);
    const from = {
      image: flat,
      devices: join(saved, "devices"),
      overlay: join(source.vm, pattern.top),
      token: source.token,
    };
    await Promise.all(copies.map((copy) => copy.start({ from })));
    const ms = performance.now() - began;
    await Promise.all([source, ...copies].map((machine) => machine.end()));
    return { ms, still };
  } finally {
    removeFlat();
    rmSync(saved, { recursive: true, force: true });
  }
}

/** As the host agent has logged it of the sandbox's only fork, `ms`. */
function stoodStill(dataDir: string, id: string): number {
  const line = readFileSync(join(dataDir, "log", "host-agent.log"), "utf8")
    .split("\n")
    .find((each) => each.includes(id) && each.includes("stood_still_ms"));
  if (line === undefined) throw new Error(`the host agent has not logged the fork of ${id}`);
  return (JSON.parse(line) as { stood_still_ms: number }).stood_still_ms;
}

function processOf(dataDir: string, id: string): number {
  const record = JSON.parse(readFileSync(join(dataDir, "sandboxes", id, "sandbox.json"), "utf8"));
  return record.life.process.pid;
}

function meanMemory(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + proportionalSetSize(pid), 0) / pids.length;
}
