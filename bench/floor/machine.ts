// The raw floor of a sandbox's life: one machine at a time, driven by hand inside a network namespace of its own.
// Imports nothing of the platform. Told what to do over IPC, one order at a time; answers with what it took, `ms`.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { open, readFile, writeFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { Guest } from "./guest.ts";
import { copyRuns, dataRuns, Memory, type Run } from "./memory.ts";
import { Qmp } from "./qmp.ts";

/** What a machine is started from; all paths are the host's. */
export interface Start {
  /** The platform's own command line, with this floor's directory in it. */
  argv: string[];
  /** Directory that the machine may write, and the name of its disk's top in there. */
  vm: string;
  top: string;
  uid: number;
  /** The disk's top: copied into the directory, unless the one that is there is used again. */
  overlay: string | undefined;
  image: string;
  devices: string;
  memoryBytes: number;
  /** Saved pages that are written over the image, as {@link Saved} names them. */
  pages: string | undefined;
  /** Files `cgroup.procs` that the machine is entered in. */
  cgroups: string[];
  /** The token that the guest knows, and what it is told. */
  token: string;
  init: Record<string, unknown> & { accessToken: string };
  /** Base64 of a process.StartRequest; undefined = none is made. */
  exec: string | undefined;
}

export type Order =
  | { do: "start"; start: Start }
  | { do: "exec"; exec: string }
  | { do: "pause"; into: string }
  | { do: "freeze"; into: string; overlay: string; flat: string }
  | { do: "end" };

/** `still`: how long the machine stood still. */
export type Answer =
  | { ms: number; still?: number; pid?: number; phases: Record<string, number> }
  | { failed: string };

interface Running {
  start: Start;
  child: ChildProcess;
  pid: number;
  qmp: Qmp;
  guest: Guest;
  memory: Memory;
  /** Layers of the root disk that were added. */
  added: number;
}

const [INFO_FD, BLOCK_FD, QMP_FD, DEVICES_FD] = [3, 4, 5, 6];
let running: Running | undefined;
/** All processes of the newest machine, also while it starts. */
let processes: number[] = [];

process.on("message", (order: Order) => {
  carryOut(order).then(
    (answer) => process.send?.(answer),
    (reason: Error) => process.send?.({ failed: `${order.do}: ${reason.stack}${consoleTail(order)}` }),
  );
});
process.on("disconnect", () => process.exit());
process.on("exit", () => {
  for (const pid of processes) kill(pid);
});

async function carryOut(order: Order): Promise<Answer> {
  const phases: Record<string, number> = {};
  const began = performance.now();
  let last = began;
  const lap = (name: string) => {
    const now = performance.now();
    phases[name] = now - last;
    last = now;
  };
  if (order.do === "start") {
    running = await start(order.start, lap);
    return { ms: performance.now() - began, pid: running.pid, phases };
  }
  if (!running) throw new Error("nothing runs");
  if (order.do === "exec") await running.guest.exec(Buffer.from(order.exec, "base64"));
  if (order.do === "pause") await pause(running, order.into, lap);
  if (order.do === "end") await end(running);
  const still = order.do === "freeze" ? await freeze(running, order, lap) : undefined;
  return { ms: performance.now() - began, phases, ...(still === undefined ? {} : { still }) };
}

async function start(what: Start, lap: (name: string) => void): Promise<Running> {
  const { vm, uid, overlay, argv } = what;
  if (overlay !== undefined) {
    mkdirSync(vm, { recursive: true, mode: 0o700 });
    copyFileSync(overlay, join(vm, what.top));
    chownSync(join(vm, what.top), uid, uid);
    chownSync(vm, uid, uid);
  }
  writeFileSync(join(vm, "console.log"), "");
  chownSync(join(vm, "console.log"), uid, uid);
  const devices = openSync(what.devices, "r");
  const image = openSync(what.image, "r");
  const output = openSync(join(vm, "console.log"), "a");
  const [program = "", ...args] = argv;
  const child = spawn(program, args, {
    stdio: ["ignore", output, output, "pipe", "pipe", "pipe", devices, image],
    env: { PATH: "/usr/bin", LANG: "C.UTF-8" },
    detached: true,
  });
  processes = child.pid === undefined ? [] : [child.pid];
  for (const fd of [devices, image, output]) closeSync(fd);
  const pid = await heldProcess(child);
  processes.unshift(pid);
  for (const group of what.cgroups) writeFileSync(group, String(pid));
  // bwrap closes its end without having read all: it says so here, and it means nothing.
  (child.stdio[BLOCK_FD] as Writable).on("error", () => {}).end("go");
  const qmp = new Qmp(child.stdio[QMP_FD] as Socket);
  await qmp.negotiate();
  lap("process");
  const where = await qmp.execute<string>("human-monitor-command", { "command-line": "gpa2hva 0" });
  const memory = new Memory(pid, Number(/is (0x[0-9a-f]+)/.exec(where)?.[1]), what.memoryBytes);
  if (what.pages !== undefined) {
    const file = openSync(what.pages, "r");
    memory.fill(file, runsOf(`${what.pages}.json`));
    closeSync(file);
    lap("fill");
  }
  await qmp.load(DEVICES_FD);
  await qmp.execute("cont");
  lap("devices");
  const guest = new Guest(what.token);
  await guest.init(what.init, what.init.accessToken);
  lap("init");
  if (what.exec !== undefined) await guest.exec(Buffer.from(what.exec, "base64"));
  lap("exec");
  return { start: what, child, pid, qmp, guest, memory, added: 0 };
}

function runsOf(path: string): Run[] {
  return JSON.parse(readFileSync(path, "utf8")) as Run[];
}

/** bwrap has made everything and holds the program. */
async function heldProcess(child: ChildProcess): Promise<number> {
  let text = "";
  for await (const chunk of child.stdio[INFO_FD] as Readable) text += chunk;
  return (JSON.parse(text) as { "child-pid": number })["child-pid"];
}

async function pause(machine: Running, into: string, lap: (name: string) => void): Promise<void> {
  await machine.guest.quiesce("end");
  lap("quiesce");
  await capture(machine, into, lap, async () => {});
  await end(machine);
  lap("free");
}

async function freeze(
  machine: Running,
  { into, overlay, flat }: { into: string; overlay: string; flat: string },
  lap: (name: string) => void,
): Promise<number> {
  const { start: what, qmp } = machine;
  const index = ++machine.added;
  const name = `floor-${index}`;
  copyFileSync(overlay, join(what.vm, name));
  chownSync(join(what.vm, name), what.uid, what.uid);
  await machine.guest.quiesce("keep");
  lap("quiesce");
  const still = await capture(machine, into, lap, async () => {
    const info = await qmp.execute<{ qdev?: string; inserted?: { "node-name": string } }[]>("query-block");
    const top = info.find(({ qdev }) => qdev?.split("/").includes("root"))?.inserted?.["node-name"];
    await qmp.execute("blockdev-add", {
      driver: "qcow2",
      "node-name": `floor${index}`,
      backing: null,
      file: { driver: "file", filename: `/vm/${name}` },
    });
    await qmp.execute("blockdev-snapshot", { node: top, overlay: `floor${index}` });
    await qmp.execute("cont");
  });
  // Flattened: what the image has, and what was written since over it.
  const image = openSync(what.image, "r");
  const file = openSync(flat, "r+");
  const buffer = Buffer.allocUnsafeSlow(2 * 1024 * 1024);
  const { readSync, writeSync } = await import("node:fs");
  for (const { page, count } of imageRuns(image, what.memoryBytes)) {
    for (let done = 0; done < count * 4096; done += buffer.length) {
      const size = Math.min(buffer.length, count * 4096 - done);
      readSync(image, buffer, 0, size, page * 4096 + done);
      writeSync(file, buffer, 0, size, page * 4096 + done);
    }
  }
  const saved = openSync(join(into, "pages"), "r");
  const runs = JSON.parse(await readFile(join(into, "pages.json"), "utf8")) as Run[];
  copyRuns(runs, saved, (bytes, offset) => writeSync(file, bytes, 0, bytes.length, offset));
  for (const fd of [image, file, saved]) closeSync(fd);
  lap("flatten");
  await machine.guest.unquiesce();
  return still;
}

/** Everything of one point in time, written and brought to the disk. Returns how long the machine stood still. */
async function capture(
  { qmp, memory, start: what }: Running,
  into: string,
  lap: (name: string) => void,
  goOn: () => Promise<void>,
): Promise<number> {
  rmSync(into, { recursive: true, force: true });
  mkdirSync(into, { recursive: true });
  const image = openSync(what.image, "r");
  await using pages = await open(join(into, "pages"), "wx");
  const stopped = performance.now();
  await qmp.execute("stop");
  lap("stop");
  rmSync(join(what.vm, "devices.state"), { force: true });
  await qmp.execute("xen-save-devices-state", { filename: "/vm/devices.state", live: true });
  await writeFile(join(into, "devices"), await readFile(join(what.vm, "devices.state")));
  lap("devices");
  const earlier = what.pages === undefined ? undefined : openSync(what.pages, "r");
  const runs = await memory.save(
    pages,
    image,
    earlier === undefined ? undefined : { file: earlier, runs: runsOf(`${what.pages}.json`) },
  );
  lap("memory");
  await goOn();
  const still = performance.now() - stopped;
  for (const fd of [image, earlier]) if (fd !== undefined) closeSync(fd);
  await writeFile(join(into, "pages.json"), JSON.stringify(runs));
  await Promise.all([
    pages.sync(),
    ...[join(into, "devices"), join(into, "pages.json"), join(what.vm, what.top), into].map(syncPath),
  ]);
  lap("sync");
  return still;
}

async function syncPath(path: string): Promise<void> {
  await using file = await open(path, "r");
  await file.sync();
}

async function end({ child, pid, guest, memory }: Running): Promise<void> {
  const exited = once(child, "exit");
  process.kill(pid, "SIGKILL");
  await exited;
  guest.close();
  memory.close();
  running = undefined;
  processes = [];
}

/** Whether or not it is still there. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

/** Where an image has data: found out once, ahead of what is measured. */
const known = new Map<number, Run[]>();
function imageRuns(image: number, bytes: number): Run[] {
  const runs = known.get(bytes) ?? dataRuns(image, bytes);
  known.set(bytes, runs);
  return runs;
}

/** Where QEMU says why it ended. */
function consoleTail(order: Order): string {
  const vm = order.do === "start" ? order.start.vm : running?.start.vm;
  try {
    return vm === undefined ? "" : `\n${readFileSync(join(vm, "console.log"), "utf8").slice(-1500)}`;
  } catch {
    return "";
  }
}
