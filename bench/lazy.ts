// Resuming with memory that is shared and copied first, beside memory that arrives while the guest runs: two platforms of
// one run, which differ in one setting.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WrennClient } from "@wrenn/sdk";
import { decodeHeader, difference, livePages, type PageMap } from "@wrenn/snapshot";
import { commandLineOf } from "./machine-command.ts";
import { residentGuestBytes } from "./resident.ts";
import type { Result } from "./result.ts";
import { figure } from "./statistics.ts";
import { undoable } from "./undo.ts";

const MIB = 1024 * 1024;
/** Sandboxes by what a process of theirs has written besides what a guest has in use anyway, `MiB`: none, and more and more. */
const KINDS = [
  { memoryMib: 512, writtenMib: 0 },
  { memoryMib: 512, writtenMib: 16 },
  { memoryMib: 512, writtenMib: 48 },
  { memoryMib: 512, writtenMib: 112 },
  { memoryMib: 1024, writtenMib: 520 },
] as const;
type Kind = (typeof KINDS)[number];
const TRUE = "/bin/true";

/** Holds pages that differ from each other and from what was there, until it is ended. */
const HOLD = `import os, time
block = bytearray(os.urandom(1 << 20))
held = []
for i in range(int(os.environ["MIB"])):
    block[0:4] = i.to_bytes(4, "big")
    held.append(bytes(block))
open("/tmp/held", "w").close()
time.sleep(1e6)`;
const START_HOLDING = `python3 -c "$HOLD" >/tmp/log 2>&1 & until [ -e /tmp/held ]; do sleep 0.1; done`;

const WAYS = ["shared", "lazy"] as const;
type Way = (typeof WAYS)[number];

/** A paused sandbox, and what its resumes took. */
interface Subject {
  platform: Platform;
  kind: Kind;
  id: string;
  ms: number[];
  /** What the shared way copies into the machine before it runs, `MiB`; after the last pause. */
  copiedMib: number;
  /** Part of the memory in use that the machine held when its first exec had been answered, `%`. */
  loaded: number[];
}

/** `rounds` interleaved resumes of each kind in each way, after one to warm up. */
export async function benchLazy(repository: string, rounds: number): Promise<Result[]> {
  const platforms: Platform[] = [];
  const subjects: Subject[] = [];
  try {
    for (const way of WAYS) {
      const platform = new Platform(repository, way);
      platforms.push(platform);
      await platform.client.templates.ensure("minimal");
      for (const kind of KINDS) subjects.push(await makeSubject(platform, kind));
    }
    for (let round = -1; round < rounds; round++) {
      for (const kind of KINDS) {
        const both = subjects.filter((subject) => subject.kind === kind);
        // In turns, so that neither way always comes after the other one.
        for (const subject of round % 2 === 0 ? both : both.reverse()) await resume(subject, round >= 0);
      }
    }
  } finally {
    for (const platform of platforms) platform.stop();
  }
  const find = (way: Way, kind: Kind): Subject => {
    const found = subjects.find((each) => each.platform.way === way && each.kind === kind);
    if (!found) throw new Error(`nothing was measured with ${way}`);
    return found;
  };
  const last = KINDS[KINDS.length - 1] as Kind;
  return [
    ...KINDS.map((kind): Result => {
      const [shared, lazy] = [find("shared", kind), find("lazy", kind)];
      return {
        name: `resume to first exec, lazily (raw: shared), ${Math.round(shared.copiedMib)} MiB to copy`,
        unit: "ms",
        platform: figure(lazy.ms),
        raw: figure(shared.ms),
        promises: [],
      };
    }),
    {
      name: `of ${last.writtenMib} MiB and more in use, loaded at first exec, lazily (raw: shared)`,
      unit: "%",
      platform: figure(find("lazy", last).loaded),
      raw: figure(find("shared", last).loaded),
      promises: [{ number: "L8", of: "p95", bound: { max: 15 } }],
    },
  ];
}

/** A paused sandbox. */
async function makeSubject(platform: Platform, kind: Kind): Promise<Subject> {
  const { client } = platform;
  const { id } = await client.sandboxes.create({
    template: "minimal",
    start: "clone",
    memory_mb: kind.memoryMib,
    timeout_sec: 0,
  });
  if (kind.writtenMib > 0) {
    const held = await client.sandboxes.exec(id, {
      cmd: "sh",
      args: ["-c", START_HOLDING],
      envs: { HOLD, MIB: String(kind.writtenMib) },
      timeout_sec: 300,
    });
    if (held.exit_code !== 0) throw new Error(`could not fill memory: ${held.stderr}`);
  }
  await client.sandboxes.pause(id);
  return { platform, kind, id, ms: [], copiedMib: 0, loaded: [] };
}

/** One resume up to its first exec, and back. */
async function resume(subject: Subject, counts: boolean): Promise<void> {
  const { platform, kind, id } = subject;
  const { client } = platform;
  const { inUse } = savedBytes(platform.dataDir, id);
  const began = performance.now();
  await client.sandboxes.resume(id);
  await client.sandboxes.exec(id, { cmd: TRUE });
  const ms = performance.now() - began;
  const resident = residentGuestBytes(commandLineOf(id).pid, kind.memoryMib * MIB);
  await client.sandboxes.pause(id);
  if (!counts) return;
  subject.ms.push(ms);
  subject.loaded.push((100 * resident) / inUse);
  subject.copiedMib = savedBytes(platform.dataDir, id).aboveBase / MIB;
}

/** Bytes of a paused sandbox's memory that are not zero, and of these those that its base does not have. */
function savedBytes(dataDir: string, id: string): { inUse: number; aboveBase: number } {
  const { snapshot } = JSON.parse(readFileSync(join(dataDir, "sandboxes", id, "sandbox.json"), "utf8")) as {
    snapshot: string;
  };
  const at = (name: string, file: string) => readFileSync(join(dataDir, "snapshots", name, file));
  const mapOf = (name: string) => decodeHeader(at(name, "header.bin")).map;
  const { base } = JSON.parse(at(snapshot, "manifest.json").toString()) as { base: string | null };
  const bytes = (map: PageMap) => {
    let pages = 0;
    for (const count of livePages(map).values()) pages += count;
    return pages * 4096;
  };
  const map = mapOf(snapshot);
  return { inUse: bytes(map), aboveBase: base === null ? 0 : bytes(difference(mapOf(base), map)) };
}

class Platform {
  readonly way: Way;
  readonly dataDir: string;
  readonly client: WrennClient;
  readonly stop: () => void;

  constructor(repository: string, way: Way) {
    this.way = way;
    this.dataDir = mkdtempSync(join(tmpdir(), `wrenn-bench-${way}-`));
    const wrenn = (...args: string[]) =>
      execFileSync(join(repository, "wrenn"), [...args, "--data-dir", this.dataDir], {
        stdio: ["ignore", 2, "inherit"],
      });
    this.stop = undoable(() => {
      wrenn("down");
      rmSync(this.dataDir, { recursive: true, force: true });
    });
    wrenn("up", "--detach", "--listen", "127.0.0.1:0", "--memory", way);
    const { url } = JSON.parse(readFileSync(join(this.dataDir, "instance.json"), "utf8")) as { url: string };
    this.client = new WrennClient({
      url,
      apiKey: readFileSync(join(this.dataDir, "api-key"), "utf8").trim(),
    });
  }
}
