// Machines by hand, beside those of the platform: the same command line, memory, devices and disk, driven by
// floor/machine.ts in a network namespace of its own.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chownSync,
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { StartRequestSchema } from "@wrenn/rpc/envd";
import type { Answer, Order, Start } from "./floor/machine.ts";
import { addNetwork, removeNetwork } from "./floor-network.ts";
import { commandLineOf, rebind, topOf } from "./machine-command.ts";
import { undoable } from "./undo.ts";

/** What the platform's clones are made of, as one of them shows it. */
export interface Pattern {
  argv: string[];
  uid: number;
  /** Path of the shared memory image, held open by this process. */
  image: string;
  devices: string;
  /** The token that the saved guest knows. */
  token: string;
  memoryBytes: number;
  /** An empty overlay. */
  overlay: string;
  groups: { dir: string; limits: [file: string, value: string][] }[];
  /** Name of the disk's writable layer in the machine's directory. */
  top: string;
  scratch: string;
}

/** Reads off a running clone how it was made. Its own snapshot must stay: that of a template does. */
export function patternOf(dataDir: string, sandboxId: string, scratch: string): Pattern {
  const { argv, limits, uid, pid } = commandLineOf(sandboxId);
  const record = JSON.parse(readFileSync(join(dataDir, "sandboxes", sandboxId, "sandbox.json"), "utf8"));
  const snapshot = join(dataDir, "snapshots", record.snapshot);
  const fd = /mem-path=\/proc\/self\/fd\/(\d+)/.exec(argv.join(" "))?.[1];
  if (fd === undefined) throw new Error(`${sandboxId} is no clone: it has memory of its own`);
  const held = openSync(`/proc/${pid}/fd/${fd}`, "r");
  const overlay = join(scratch, "blank.qcow2");
  mkdirSync(scratch, { recursive: true, mode: 0o711 });
  execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", overlay, `${record.diskMb}M`]);
  return {
    argv: ["prlimit", ...limits, "--", ...argv.map((arg) => arg.replace(/^(socket,id=qmp,fd=\d+),.*/, "$1"))],
    uid,
    image: `/proc/${process.pid}/fd/${held}`,
    devices: join(snapshot, "devices.bin"),
    token: JSON.parse(readFileSync(join(snapshot, "manifest.json"), "utf8")).token,
    memoryBytes: record.memoryMb * 1024 * 1024,
    overlay,
    groups: groupsOf(pid, sandboxId),
    top: topOf(argv),
    scratch,
  };
}

/** Bytes of a process.StartRequest, as the platform sends them to a guest. */
export function startRequest(cmd: string, args: string[] = []): string {
  const request = create(StartRequestSchema, { process: { cmd, args }, stdin: false });
  return Buffer.from(toBinary(StartRequestSchema, request)).toString("base64");
}

/** One network namespace with at most one machine in it. Made ahead of what is measured, as the platform's slots are. */
export class FloorMachine {
  readonly name: string;
  readonly vm: string;
  readonly #pattern: Pattern;
  readonly #netns: string;
  readonly #worker: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #argv: string[];
  /** Ends the machine and removes what was made for it. Once is enough. */
  readonly close: () => Promise<void>;

  constructor(pattern: Pattern, name: string) {
    this.name = name;
    this.#pattern = pattern;
    this.#netns = `wrenn-floor-${process.pid}-${name}`;
    const home = join(pattern.scratch, name);
    this.vm = join(home, "vm");
    rmSync(home, { recursive: true, force: true });
    mkdirSync(home, { recursive: true, mode: 0o711 });
    this.close = undoable(() => this.#close());
    addNetwork(this.#netns, pattern.uid);
    const tun = join(home, "tun");
    execFileSync("mknod", ["-m", "0600", tun, "c", "10", "200"]);
    chownSync(tun, pattern.uid, pattern.uid);
    const [prlimit, ...rest] = rebind(pattern.argv, { "/vm": this.vm, "/dev/net/tun": tun });
    const separator = rest.indexOf("--") + 1;
    const enter = ["nsenter", `--net=/run/netns/${this.#netns}`, "--"];
    this.#argv = [prlimit ?? "", ...rest.slice(0, separator), ...enter, ...rest.slice(separator)];
    for (const group of this.#groups()) {
      mkdirSync(group.dir, { recursive: true });
      for (const [file, value] of group.limits) writeFileSync(join(group.dir, file), value);
    }
    const worker = join(import.meta.dirname, "floor/machine.ts");
    this.#worker = spawn(enter[0] ?? "", [...enter.slice(1), process.execPath, worker], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#ended = new Promise((resolve) => this.#worker.once("exit", resolve));
  }

  /** A clone, or what `from` says: a saved state of an earlier one, with its disk or with the one that it has. */
  async start(options: { exec?: string; from?: Partial<Start> } = {}): Promise<Timed> {
    const { uid, image, devices, memoryBytes, token, overlay, top } = this.#pattern;
    const accessToken = `floor-${this.name}`;
    return await this.#order({
      do: "start",
      start: {
        ...{ argv: this.#argv, vm: this.vm, top, uid, overlay, image, devices, memoryBytes, token },
        pages: undefined,
        cgroups: this.#groups().map(({ dir }) => join(dir, "cgroup.procs")),
        init: {
          accessToken,
          hostname: `floor-${this.name}`,
          machineId: Buffer.from(accessToken.padEnd(16, "x").slice(0, 16)).toString("hex"),
          entropy: Buffer.alloc(64, accessToken).toString("base64"),
          dropConnections: true,
        },
        exec: options.exec,
        ...options.from,
      },
    });
  }

  /** The token that its guest knows after {@link start}. */
  get token(): string {
    return `floor-${this.name}`;
  }

  exec(exec: string): Promise<Timed> {
    return this.#order({ do: "exec", exec });
  }

  pause(into: string): Promise<Timed> {
    return this.#order({ do: "pause", into });
  }

  /** Freezes its moment into a directory and a flat image, and goes on. */
  freeze(into: string, flat: string): Promise<Timed> {
    return this.#order({ do: "freeze", into, flat, overlay: this.#pattern.overlay });
  }

  end(): Promise<Timed> {
    return this.#order({ do: "end" });
  }

  async #close(): Promise<void> {
    if (this.#worker.connected) this.#worker.disconnect();
    await this.#ended;
    removeNetwork(this.#netns);
    rmSync(join(this.#pattern.scratch, this.name), { recursive: true, force: true });
    for (const { dir } of this.#groups()) removeGroup(dir);
  }

  async #order(order: Order): Promise<Timed> {
    const answered = new Promise<Answer>((resolve) => this.#worker.once("message", resolve));
    this.#worker.send(order);
    const ended = this.#ended.then((): Answer => ({ failed: "the floor has ended" }));
    const answer = await Promise.race([answered, ended]);
    if ("failed" in answer) throw new Error(`floor ${this.name}: ${answer.failed}`);
    return answer;
  }

  #groups(): Pattern["groups"] {
    return this.#pattern.groups.map(({ dir, limits }) => ({ dir: `${dir}-${this.name}`, limits }));
  }
}

export type Timed = Exclude<Answer, { failed: string }>;

/** An empty file of memory that any user's machine may map. */
export function flatImage(name: string, bytes: number): string {
  const path = join("/dev/shm", `wrenn-floor-${process.pid}-${name}`);
  rmSync(path, { force: true });
  const fd = openSync(path, "w", 0o666);
  ftruncateSync(fd, bytes);
  closeSync(fd);
  execFileSync("chmod", ["0666", path]);
  return path;
}

/** The control groups of a machine and their limits, of whichever version. */
function groupsOf(pid: number, sandboxId: string): Pattern["groups"] {
  const mounts = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "));
  const files = [
    ...["memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cpu.cfs_period_us", "cpu.cfs_quota_us"],
    ...["memory.max", "memory.swap.max", "cpu.max", "pids.max"],
  ];
  return readFileSync(`/proc/${pid}/cgroup`, "utf8")
    .split("\n")
    .filter((line) => line.includes(sandboxId))
    .map((line) => {
      const [, controllers = "", path = ""] = line.split(":");
      const [controller] = controllers.split(",");
      const at = mounts.find(([, , type, options = ""]) =>
        controller ? type === "cgroup" && options.split(",").includes(controller) : type === "cgroup2",
      )?.[1];
      const dir = join(at ?? "/sys/fs/cgroup", path);
      const limits = files
        .filter((file) => existsSync(join(dir, file)))
        .map((file): [string, string] => [file, readFileSync(join(dir, file), "utf8").trim()]);
      return { dir: join(dirname(dir), `floor-${basename(dir)}`), limits };
    });
}

/** A group stays busy for a moment after its last process has ended. */
function removeGroup(dir: string): void {
  const deadline = Date.now() + 5000;
  for (;;) {
    try {
      rmdirSync(dir);
      return;
    } catch (reason) {
      if ((reason as NodeJS.ErrnoException).code === "ENOENT") return;
      if (Date.now() > deadline) throw reason;
    }
  }
}
