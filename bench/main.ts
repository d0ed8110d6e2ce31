// `./wrenn bench`: figures of the platform beside the same work done without it, in one run.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { WrennClient } from "@wrenn/sdk";
import { benchColdBoot } from "./cold-boot.ts";
import { benchExec } from "./exec.ts";
import { benchFaults } from "./faults.ts";
import { benchFiles } from "./files.ts";
import { benchBurst, benchForks } from "./fleet.ts";
import { patternOf } from "./floor-machine.ts";
import { benchLazy } from "./lazy.ts";
import { benchLife } from "./life.ts";
import { benchIdleMemory, benchTransferMemory, type PlatformProcess, platformProcesses } from "./memory.ts";
import { type Result, type Verdict, verdicts } from "./result.ts";
import { renderTable } from "./table.ts";
import { GuestTarget } from "./target.ts";
import { interruptible, undoable } from "./undo.ts";

const repository = join(import.meta.dirname, "..");

/** What can be measured by itself. */
const PARTS = ["faults", "memory", "boot", "life", "burst", "fork", "lazy", "exec"] as const;
type Part = (typeof PARTS)[number];
/** These need no platform, or have their own. */
const ALONE: readonly Part[] = ["faults", "lazy"];

const USAGE = `usage: ./wrenn bench [--check] [--slack N] [--quick] [--part NAME]... [--json] [--data-dir DIR]

Brings up a platform of its own, measures it beside raw counterparts, and takes it down.
  --check         exit with 1 when a promise of docs/specification.md is broken
  --slack N       with --check: loosen ratios N times and leave absolute figures out
  --quick         fewer rounds: shows that everything works, not how fast it is
  --part NAME     only this: ${PARTS.join(", ")}; may be repeated
  --json          the result as JSON on stdout; the table goes to stderr
  --data-dir DIR  where the platform keeps its data (default: a new directory below ${tmpdir()})
`;

/** What a running instance says about itself. */
interface Instance {
  url: string;
  pid: number;
  block: number;
}

interface Rounds {
  boots: number;
  execPairs: number;
  transferMib: number;
  transfers: number;
  /** Passed through while memory is watched, `MiB`. */
  memoryMib: number;
  lives: number;
  /** Resumes of two kinds, on two platforms. */
  resumes: number;
  bursts: number;
  forks: number;
  faults: number;
  /** Memory that faults load, `MiB`. */
  faultsMib: number;
}

const FULL: Rounds = {
  boots: 10,
  execPairs: 300,
  transferMib: 200,
  transfers: 5,
  memoryMib: 1024,
  lives: 16,
  resumes: 8,
  bursts: 5,
  forks: 5,
  faults: 25,
  faultsMib: 128,
};
const QUICK: Rounds = {
  boots: 2,
  execPairs: 40,
  transferMib: 32,
  transfers: 2,
  memoryMib: 128,
  lives: 2,
  resumes: 2,
  bursts: 1,
  forks: 1,
  faults: 1,
  faultsMib: 64,
};

const { values } = parseArgs({
  options: {
    check: { type: "boolean", default: false },
    slack: { type: "string", default: "1" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    part: { type: "string", multiple: true },
    "data-dir": { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (values.help) process.stdout.write(USAGE);
else process.exitCode = await interruptible(main);

async function main(): Promise<number> {
  const slack = Number(values.slack);
  if (!(slack >= 1)) {
    process.stderr.write(`--slack must be a number of at least 1, not ${values.slack}\n`);
    return 2;
  }
  const unknown = values.part?.find((name) => !PARTS.some((part) => part === name));
  if (unknown !== undefined) {
    process.stderr.write(`there is no part ${unknown}; there are ${PARTS.join(", ")}\n`);
    return 2;
  }
  const wanted = (part: Part) => values.part?.includes(part) ?? true;
  const dataDir = values["data-dir"] ?? mkdtempSync(join(tmpdir(), "wrenn-bench-"));
  let isUp = false;
  undoable(() => {
    // What could not be taken down still needs it.
    if (values["data-dir"] === undefined && !isUp) rmSync(dataDir, { recursive: true, force: true });
  });
  const wrenn = (...args: string[]) =>
    execFileSync(join(repository, "wrenn"), [...args, "--data-dir", dataDir], {
      stdio: ["ignore", 2, "inherit"],
    });
  const rounds = values.quick ? QUICK : FULL;
  const needsPlatform = PARTS.some((part) => wanted(part) && !ALONE.includes(part));
  const results: Result[] = [];
  const add = (...more: Result[]) => void results.push(...more);
  // Last of all where the run is ended by a signal: what it has measured by then is not lost.
  const told = undoable(() => report(results, verdicts(results, slack)));
  if (wanted("faults")) add(...(await measureFaults(rounds)));
  if (needsPlatform) {
    undoable(() => {
      wrenn("down");
      isUp = false;
    });
    isUp = true;
    wrenn("up", "--detach", "--listen", "127.0.0.1:0");
    await measure({ dataDir, rounds, wanted, add });
  }
  if (wanted("lazy")) {
    progress(`memory shared and lazy: ${rounds.resumes} resumes of each`);
    add(...(await benchLazy(repository, rounds.resumes)));
  }
  told();
  const broken = verdicts(results, slack).filter(({ kept }) => !kept);
  return values.check && broken.length > 0 ? 1 : 0;
}

async function measureFaults({ faults: rounds, faultsMib: mib }: Rounds): Promise<Result[]> {
  progress(`page faults, ${rounds} pairs of ${mib} MiB each`);
  return await benchFaults({ mib, rounds });
}

async function measure({
  dataDir,
  rounds,
  wanted,
  add,
}: {
  dataDir: string;
  rounds: Rounds;
  wanted: (part: Part) => boolean;
  /** Takes what has been measured. */
  add: (...results: Result[]) => void;
}): Promise<void> {
  const instance = JSON.parse(readFileSync(join(dataDir, "instance.json"), "utf8")) as Instance;
  const key = readFileSync(join(dataDir, "api-key"), "utf8").trim();
  const client = new WrennClient({ url: instance.url, apiKey: key });
  progress("preparing the template");
  await client.templates.ensure("minimal");
  const processes = platformProcesses(dataDir, instance);
  if (wanted("memory")) add(benchIdleMemory(processes));
  if (wanted("boot")) {
    progress(`cold boot, ${rounds.boots} pairs`);
    add(await benchColdBoot(client, dataDir, rounds.boots));
  }
  await measureClones({ client, dataDir, rounds, wanted, add });
  if (wanted("exec")) await measureOne({ instance, key, client, dataDir, processes, add }, rounds);
}

/** What has to do with saved machines. */
async function measureClones({
  client,
  dataDir,
  rounds,
  wanted,
  add,
}: {
  client: WrennClient;
  dataDir: string;
  rounds: Rounds;
  wanted: (part: Part) => boolean;
  add: (...results: Result[]) => void;
}): Promise<void> {
  if (!(["life", "burst", "fork"] as const).some(wanted)) return;
  progress("saving the template");
  const { id } = await client.sandboxes.create({ template: "minimal", start: "clone" });
  const scratch = join(dataDir, "bench-floor");
  const pattern = patternOf(dataDir, id, scratch);
  await client.sandboxes.delete(id);
  const target = { client, dataDir, pattern };
  try {
    if (wanted("life")) {
      progress(`create, pause, resume: ${rounds.lives} pairs`);
      add(...(await benchLife(client, pattern, rounds.lives)));
    }
    if (wanted("burst")) {
      progress(`bursts, ${rounds.bursts} pairs`);
      add(...(await benchBurst(target, { count: 8, rounds: rounds.bursts })));
    }
    if (wanted("fork")) {
      progress(`forks, ${rounds.forks} pairs each`);
      add(...(await benchForks(target, { counts: [1, 8], rounds: rounds.forks })));
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Exec and files of one sandbox. */
async function measureOne(
  parts: {
    instance: Instance;
    key: string;
    client: WrennClient;
    dataDir: string;
    processes: readonly PlatformProcess[];
    add: (...results: Result[]) => void;
  },
  rounds: Rounds,
): Promise<void> {
  const { instance, key, client, dataDir, processes, add } = parts;
  const sandbox = await client.sandboxes.create({ template: "minimal", timeout_sec: 0 });
  const record = readFileSync(join(dataDir, "sandboxes", sandbox.id, "sandbox.json"), "utf8");
  const target = { url: instance.url, key, sandboxId: sandbox.id, hostIp: sandbox.host_ip ?? "" };
  const guest = new GuestTarget({
    host: target.hostIp,
    token: (JSON.parse(record) as { token: string }).token,
  });
  progress(`exec, ${rounds.execPairs} pairs`);
  add(...(await benchExec(target, guest, rounds.execPairs)));
  progress(`files, ${rounds.transfers} rounds of ${rounds.transferMib} MiB`);
  add(...(await benchFiles(target, guest, client, { mib: rounds.transferMib, rounds: rounds.transfers })));
  progress(`memory over ${rounds.memoryMib} MiB in and out`);
  add(await benchTransferMemory(target, client, processes, rounds.memoryMib));
  guest.close();
  await client.sandboxes.delete(sandbox.id);
}

function report(results: readonly Result[], kept: readonly Verdict[]): void {
  const table = `${renderTable(results, kept)}\n\n${machine()}\n`;
  if (!values.json) process.stdout.write(table);
  else {
    process.stderr.write(table);
    process.stdout.write(
      `${JSON.stringify({ machine: machine(), results, verdicts: kept.map(flat) }, null, 2)}\n`,
    );
  }
}

function flat({ result, promise, value, kept }: Verdict) {
  return { result: result.name, ...promise, value, kept };
}

function machine(): string {
  const all = cpus();
  return `${all.length} x ${all[0]?.model ?? "unknown processor"}, ${Math.round(totalmem() / 2 ** 30)} GiB; load and platform share it`;
}

function progress(what: string): void {
  process.stderr.write(`bench: ${what}\n`);
}
