// Resuming with memory that is shared and copied first, beside memory that arrives while the guest runs: two platforms of
// one run, which differ in one setting.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WrennClient } from "@wrenn/sdk";
import { decodeHeader, livePages } from "@wrenn/snapshot";
import { commandLineOf } from "./machine-command.ts";
import { residentGuestBytes } from "./resident.ts";
import type { Result } from "./result.ts";
import { figure } from "./statistics.ts";

const MIB = 1024 * 1024;
const MEMORY_MIB = 1024;
/** Written by a process of the guest, besides what the guest has in use anyway. */
const IN_USE_MIB = 520;
const TRUE = "/bin/true";

/** Holds pages that differ from each other and from what was there, until it is ended. */
const HOLD = `import os, time
block = bytearray(os.urandom(1 << 20))
held = []
for i in range(${IN_USE_MIB}):
    block[0:4] = i.to_bytes(4, "big")
    held.append(bytes(block))
open("/tmp/held", "w").close()
time.sleep(1e6)`;
const START_HOLDING = `python3 -c "$HOLD" >/tmp/log 2>&1 & until [ -e /tmp/held ]; do sleep 0.1; done`;

const WAYS = ["shared", "lazy"] as const;
type Way = (typeof WAYS)[number];

/** Samples of one way. */
class Samples {
  /** Of a small sandbox, and of one that uses more than half a gibibyte. */
  readonly small: number[] = [];
  readonly large: number[] = [];
  /** Part of the memory in use that the machine held when its first exec had been answered, `%`. */
  readonly loaded: number[] = [];
}

/** `rounds` interleaved resumes each, after one to warm up. */
export async function benchLazy(repository: string, rounds: number): Promise<Result[]> {
  const platforms: Platform[] = [];
  const samples: Record<Way, Samples> = { shared: new Samples(), lazy: new Samples() };
  try {
    for (const way of WAYS) platforms.push(new Platform(repository, way));
    const subjects = await Promise.all(platforms.map(subjectsOf));
    for (let round = -1; round < rounds; round++) {
      for (const [i, platform] of platforms.entries()) {
        const into = round < 0 ? new Samples() : samples[platform.way];
        const { small, large } = subjects[i] as Subjects;
        into.small.push((await resume(platform, small)).ms);
        const { ms, loaded } = await resume(platform, large);
        into.large.push(ms);
        into.loaded.push(loaded);
      }
    }
  } finally {
    for (const platform of platforms) platform.stop();
  }
  const { shared, lazy } = samples;
  const line = (name: string, part: "small" | "large") => ({
    name: `resume to first exec, lazily (raw: shared), ${name}`,
    unit: "ms" as const,
    platform: figure(lazy[part]),
    raw: figure(shared[part]),
    promises: [],
  });
  return [
    line("512 MiB, as booted", "small"),
    { ...line(`1 GiB with ${IN_USE_MIB} MiB written`, "large") },
    {
      name: "of the memory in use, loaded at first exec, lazily (raw: shared)",
      unit: "%",
      platform: figure(lazy.loaded),
      raw: figure(shared.loaded),
      promises: [{ number: "L8", of: "p95", bound: { max: 15 } }],
    },
  ];
}

interface Subjects {
  small: string;
  large: string;
}

/** Two paused sandboxes. */
async function subjectsOf({ client }: Platform): Promise<Subjects> {
  await client.templates.ensure("minimal");
  const create = async (memory_mb: number) =>
    (await client.sandboxes.create({ template: "minimal", start: "clone", memory_mb, timeout_sec: 0 })).id;
  const small = await create(512);
  const large = await create(MEMORY_MIB);
  const args = ["-c", START_HOLDING];
  const held = await client.sandboxes.exec(large, { cmd: "sh", args, envs: { HOLD }, timeout_sec: 300 });
  if (held.exit_code !== 0) throw new Error(`could not fill memory: ${held.stderr}`);
  for (const id of [small, large]) await client.sandboxes.pause(id);
  return { small, large };
}

/** One resume up to its first exec, and back. */
async function resume({ client, dataDir }: Platform, id: string): Promise<{ ms: number; loaded: number }> {
  const inUse = inUseBytes(dataDir, id);
  const began = performance.now();
  await client.sandboxes.resume(id);
  await client.sandboxes.exec(id, { cmd: TRUE });
  const ms = performance.now() - began;
  const { memory_mb = 0 } = await client.sandboxes.get(id);
  const resident = residentGuestBytes(commandLineOf(id).pid, memory_mb * MIB);
  await client.sandboxes.pause(id);
  return { ms, loaded: (100 * resident) / inUse };
}

/** Bytes of a paused sandbox's memory that are not zero. */
function inUseBytes(dataDir: string, id: string): number {
  const record = JSON.parse(readFileSync(join(dataDir, "sandboxes", id, "sandbox.json"), "utf8"));
  const { map } = decodeHeader(readFileSync(join(dataDir, "snapshots", record.snapshot, "header.bin")));
  let pages = 0;
  for (const count of livePages(map).values()) pages += count;
  return pages * 4096;
}

class Platform {
  readonly way: Way;
  readonly dataDir: string;
  readonly client: WrennClient;
  readonly #wrenn: (...args: string[]) => void;

  constructor(repository: string, way: Way) {
    this.way = way;
    this.dataDir = mkdtempSync(join(tmpdir(), `wrenn-bench-${way}-`));
    this.#wrenn = (...args) =>
      execFileSync(join(repository, "wrenn"), [...args, "--data-dir", this.dataDir], {
        stdio: ["ignore", 2, "inherit"],
      });
    this.#wrenn("up", "--detach", "--listen", "127.0.0.1:0", "--memory", way);
    const { url } = JSON.parse(readFileSync(join(this.dataDir, "instance.json"), "utf8")) as { url: string };
    this.client = new WrennClient({
      url,
      apiKey: readFileSync(join(this.dataDir, "api-key"), "utf8").trim(),
    });
  }

  stop(): void {
    this.#wrenn("down");
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
