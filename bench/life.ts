// A sandbox's life: create, pause, resume, through the API and by hand from the same saved machine.
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { WrennClient } from "@wrenn/sdk";
import { FloorMachine, type Pattern, startRequest } from "./floor-machine.ts";
import type { Result } from "./result.ts";
import { figure } from "./statistics.ts";

const TRUE = "/bin/true";
const SMALL_MIB = 2;
const DIRTY_MIB = 200;
/**
 * Writes random pages of the guest's memory, with what needs little of it besides. A clone has written more than these by
 * then, as it came to itself: both sides save that too.
 */
const SMALL = ["if=/dev/urandom", "of=/dev/shm/small", "bs=1M", `count=${SMALL_MIB}`, "iflag=fullblock"];
/** The same for so much that an emulated guest would take long to make it up: pages that differ from each other. */
const DIRTY = [
  "-c",
  `import os
block = bytearray(os.urandom(1 << 20))
with open("/dev/shm/dirty", "wb") as f:
    for i in range(${DIRTY_MIB}):
        block[0] = i
        f.write(block)`,
];

type Step = "create" | "pause" | "resume" | "pauseDirty";

/** `rounds` interleaved lives, after one to warm up. */
export async function benchLife(client: WrennClient, pattern: Pattern, rounds: number): Promise<Result[]> {
  const platform = new Samples();
  const raw = new Samples();
  const machine = new FloorMachine(pattern, "life");
  try {
    for (let round = -1; round < rounds; round++) {
      const into = { platform: round < 0 ? new Samples() : platform, raw: round < 0 ? new Samples() : raw };
      await liveViaApi(client, into.platform);
      await liveByHand(machine, pattern, into.raw);
    }
  } finally {
    await machine.close();
  }
  const line = (step: Step, name: string, promise: Result["promises"][number]): Result => ({
    name,
    unit: "ms",
    platform: figure(platform.of(step)),
    raw: figure(raw.of(step)),
    promises: [promise],
  });
  return [
    line("create", "create to first exec", { number: "L1", of: "ratio", bound: { max: 1.3 } }),
    line("resume", "resume to first exec", { number: "L2", of: "ratio", bound: { max: 1.3 } }),
    line("pause", `pause, ${SMALL_MIB} MB written`, {
      number: "L3",
      of: "ratio",
      bound: { max: 1, plus: 40 },
    }),
    line("pauseDirty", `pause, ${DIRTY_MIB} MB written`, { number: "L4", of: "ratio", bound: { max: 1.5 } }),
  ];
}

async function liveViaApi(client: WrennClient, samples: Samples): Promise<void> {
  let id = "";
  await samples.time("create", async () => {
    ({ id } = await client.sandboxes.create({ template: "minimal", start: "clone" }));
    await client.sandboxes.exec(id, { cmd: TRUE });
  });
  await dirty(client, id, "dd", SMALL);
  await samples.time("pause", () => client.sandboxes.pause(id));
  await samples.time("resume", async () => {
    await client.sandboxes.resume(id);
    await client.sandboxes.exec(id, { cmd: TRUE });
  });
  await dirty(client, id, "python3", DIRTY);
  await samples.time("pauseDirty", () => client.sandboxes.pause(id));
  await client.sandboxes.delete(id);
}

async function dirty(client: WrennClient, id: string, cmd: string, args: string[]): Promise<void> {
  const { exit_code, stderr } = await client.sandboxes.exec(id, { cmd, args, timeout_sec: 120 });
  if (exit_code !== 0) throw new Error(`could not write memory: ${stderr}`);
}

async function liveByHand(machine: FloorMachine, pattern: Pattern, samples: Samples): Promise<void> {
  const saved = join(pattern.scratch, machine.name, "saved");
  const exec = startRequest(TRUE);
  samples.add("create", await machine.start({ exec }));
  await machine.exec(startRequest("dd", SMALL));
  samples.add("pause", await machine.pause(saved));
  const from = {
    overlay: undefined,
    pages: join(saved, "pages"),
    devices: join(saved, "devices"),
    token: machine.token,
  };
  samples.add("resume", await machine.start({ exec, from }));
  await machine.exec(startRequest("python3", DIRTY));
  samples.add("pauseDirty", await machine.pause(`${saved}-2`));
  for (const directory of [saved, `${saved}-2`]) rmSync(directory, { recursive: true });
}

class Samples {
  readonly #of = new Map<Step, number[]>();

  async time(step: Step, work: () => Promise<unknown>): Promise<void> {
    const began = performance.now();
    await work();
    this.add(step, { ms: performance.now() - began });
  }

  add(step: Step, { ms, phases }: { ms: number; phases?: Record<string, number> }): void {
    this.#of.set(step, [...(this.#of.get(step) ?? []), ms]);
    if (process.env["BENCH_PHASES"])
      process.stderr.write(`${step} ${ms.toFixed(0)} ${JSON.stringify(phases)}\n`);
  }

  of(step: Step): number[] {
    return this.#of.get(step) ?? [];
  }
}
