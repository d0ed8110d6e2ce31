// Page faults: memory loaded by `UffdServer`, and by a handler in C that does the same, for the same machine.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { MIB } from "@wrenn/core";
import { lazyPagesRef, type PageMap, pageMap, type Segment, segments } from "@wrenn/snapshot";
import { FaultThreads, UffdServer } from "@wrenn/vmm";
import type { Result } from "./result.ts";
import { figure } from "./statistics.ts";
import { undoable } from "./undo.ts";

const PAGE_BYTES = 4096;
/** Builds that the memory is made of, as after so many pauses. */
const BUILDS = 8;
/** Pages of a range; the next one lies in another build. */
const RANGE_PAGES = 64;
/** Pages of a block of 64 KiB. */
const BLOCK_PAGES = 16;

/** A saved memory, and the programs that are measured. */
interface Scene {
  dir: string;
  map: PageMap;
  paths: string[];
  handler: string;
  machine: string;
  threads: FaultThreads;
}

/** Nanoseconds that a machine took, and what for. */
interface Sample {
  faults: number;
  ns: number;
}

/** Needs gcc, and root for the userfaultfd. */
export async function benchFaults({ mib, rounds }: { mib: number; rounds: number }): Promise<Result[]> {
  const dir = mkdtempSync(join(tmpdir(), "wrenn-bench-faults-"));
  const remove = undoable(() => rmSync(dir, { recursive: true }));
  try {
    const scene = makeScene(dir, mib);
    await using _threads = scene.threads;
    const single = await compare(scene, { rounds, blockPages: 1 });
    const blocks = await compare(scene, { rounds, blockPages: BLOCK_PAGES });
    const thousands = ({ faults, ns }: Sample) => (faults / ns) * 1e6;
    const mibPerSecond = ({ faults, ns }: Sample) => ((faults * BLOCK_PAGES * PAGE_BYTES) / MIB / ns) * 1e9;
    return [
      {
        name: "page faults of one page each",
        unit: "k/s",
        platform: figure(single.platform.map(thousands)),
        raw: figure(single.raw.map(thousands)),
        promises: [{ number: "U1", of: "ratio", bound: { min: 0.65 } }],
      },
      {
        name: "page faults of 64 KiB each",
        unit: "MiB/s",
        platform: figure(blocks.platform.map(mibPerSecond)),
        raw: figure(blocks.raw.map(mibPerSecond)),
        promises: [{ number: "U2", of: "ratio", bound: { min: 0.6 } }],
      },
    ];
  } finally {
    remove();
  }
}

/** Rounds in turn, after one of each that brings the files into the page cache. */
async function compare(
  scene: Scene,
  { rounds, blockPages }: { rounds: number; blockPages: number },
): Promise<{ platform: Sample[]; raw: Sample[] }> {
  const samples: { platform: Sample[]; raw: Sample[] } = { platform: [], raw: [] };
  for (let round = -1; round < rounds; round++) {
    const order = round % 2 === 0 ? (["platform", "raw"] as const) : (["raw", "platform"] as const);
    for (const way of order) {
      const socket = join(scene.dir, `socket-${blockPages}-${round}-${way}`);
      const sample = await (way === "raw" ? byHandler : byServer)(scene, socket, blockPages);
      if (round >= 0) samples[way].push(sample);
    }
  }
  return samples;
}

async function byServer(scene: Scene, socketPath: string, blockPages: number): Promise<Sample> {
  const { map, paths, threads } = scene;
  const server = UffdServer.start(threads, {
    socketPath,
    pages: lazyPagesRef({ map, paths, workingSet: [] }),
    peer: { uid: process.getuid?.() ?? 0 },
    blockPages,
  });
  try {
    return await runMachine(scene, socketPath, blockPages);
  } finally {
    await server.stop();
  }
}

async function byHandler(scene: Scene, socketPath: string, blockPages: number): Promise<Sample> {
  const handler = spawn(scene.handler, [socketPath, join(scene.dir, "map"), String(blockPages)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(handler, "exit");
  await once(createInterface(handler.stdout), "line");
  try {
    return await runMachine(scene, socketPath, blockPages);
  } catch (reason) {
    // It may still wait for a machine.
    handler.kill();
    throw reason;
  } finally {
    await exited;
  }
}

async function runMachine({ machine, map }: Scene, socket: string, stride: number): Promise<Sample> {
  const child = spawn(machine, [socket, String(map.pages), String(stride)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const [faults = 0, ns = 0] = (await text(child.stdout)).split(" ").map(Number);
  const [status] = await exited;
  if (status !== 0 || ns === 0) throw new Error(`the bench's machine ended with ${status}`);
  return { faults, ns };
}

function makeScene(dir: string, mib: number): Scene {
  const pages = (mib * MIB) / PAGE_BYTES;
  const paths = Array.from({ length: BUILDS }, (_, i) => join(dir, `build-${i}`));
  const list: Segment[] = [];
  const lengths = paths.map(() => 0);
  for (let start = 0; start < pages; start += RANGE_PAGES) {
    const build = (start / RANGE_PAGES) % BUILDS;
    const end = Math.min(start + RANGE_PAGES, pages);
    list.push({ start, end, build: `${build}`, offset: lengths[build] as number });
    lengths[build] = (lengths[build] as number) + end - start;
  }
  for (const [i, path] of paths.entries()) writeBuild(path, lengths[i] as number);
  const map = pageMap(pages, list);
  writeFileSync(join(dir, "map"), mapText(map, paths));
  const [handler, machine] = [compile(dir, "fault-handler"), compile(dir, "fault-machine")];
  return { dir, map, paths, handler, machine, threads: new FaultThreads() };
}

function writeBuild(path: string, pages: number): void {
  const fd = openSync(path, "wx", 0o600);
  const bytes = Buffer.alloc(RANGE_PAGES * PAGE_BYTES, 0xa5);
  for (let page = 0; page < pages; page += RANGE_PAGES) {
    writeSync(fd, bytes, 0, Math.min(RANGE_PAGES, pages - page) * PAGE_BYTES, page * PAGE_BYTES);
  }
  closeSync(fd);
}

/** As `fault-handler.c` reads it. */
function mapText(map: PageMap, paths: readonly string[]): string {
  const rows = [...segments(map)].map(({ start, build, offset }) => `${start} ${build} ${offset}`);
  return [map.pages, paths.length, ...paths, rows.length, ...rows].join("\n");
}

function compile(dir: string, name: string): string {
  const program = join(dir, name);
  execFileSync("gcc", ["-O2", "-Wall", "-o", program, join(import.meta.dirname, "floor", `${name}.c`)]);
  return program;
}
