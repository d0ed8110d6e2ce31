// Instances with stand-ins for the two daemons, for the tests of `up` and `down`. Need root.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before } from "node:test";
import {
  findBlockHolder,
  isAlive,
  type ProcessIdentity,
  planBlock,
  processesOfUids,
  processIdentity,
  until,
  waitForExit,
} from "@wrenn/linux";
import { down } from "../down.ts";
import { type Instance, readInstance } from "../instance.ts";
import { dataLayout, runtimeLayout } from "../layout.ts";
import { lineProgress } from "../progress.ts";

export const silent = lineProgress(() => {});
export let directory: string;
let sourceRoot: string;
export let dataDir: string;
let supervisor: Started | undefined;
/** What the supervisors of a test have said. */
export let said = "";

/** To be called once by a test file: what its tests start has ended after each of them. */
export function useStubs(): void {
  before(async () => {
    // 0700 and owned by root, above both the sources and the data.
    directory = await mkdtemp(join(tmpdir(), "wrenn-up-"));
    sourceRoot = join(directory, "source");
    dataDir = join(directory, "data");
    for (const daemon of ["host-agent", "control-plane"]) {
      await mkdir(join(sourceRoot, "packages", daemon, "src"), { recursive: true });
      await cp(
        join(import.meta.dirname, `stub-${daemon}.ts`),
        join(sourceRoot, "packages", daemon, "src/main.ts"),
      );
    }
  });

  afterEach(async () => {
    supervisor?.child.kill("SIGKILL");
    supervisor = undefined;
    await down(dataDir, silent);
  });

  after(async () => {
    await rm(directory, { recursive: true, force: true });
  });
}

export interface Started {
  child: ChildProcess;
  /** Its exit status, when it has ended. */
  status: Promise<number | null>;
  output: () => string;
}

export function start(data: string, listen = "127.0.0.1:0", settings: NodeJS.ProcessEnv = {}): Started {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, "up-with-stubs.ts"), sourceRoot, data, listen],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...settings } },
  );
  let output = "";
  const collect = (chunk: Buffer): void => {
    output += chunk;
    said += chunk;
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  const { promise: status, resolve } = Promise.withResolvers<number | null>();
  child.once("close", resolve);
  return { child, status, output: () => output };
}

/** Starts the instance of this test and waits for the line that says that it is ready. */
export async function upWithStubs(settings: NodeJS.ProcessEnv = {}): Promise<Instance> {
  said = "";
  supervisor = start(dataDir, "127.0.0.1:0", settings);
  const { child, output } = supervisor;
  const isReady = (): boolean => output().includes("is ready") || child.exitCode !== null;
  await until(isReady, { timeoutMs: 60_000 });
  const instance = await readInstance(dataLayout(dataDir).instance);
  assert.ok(instance, output());
  return instance;
}

export function running(): Started {
  assert.ok(supervisor);
  return supervisor;
}

/** What a sandbox's machine is to a supervisor: a process of one of the block's users. */
export function startMachine(block: number): ProcessIdentity {
  const uid = planBlock(block).vmmUids.first;
  const { pid = 0 } = spawn("sleep", ["600"], { uid, gid: uid, stdio: "ignore" });
  const machine = processIdentity(pid);
  assert.ok(machine);
  return machine;
}

/** The last line of the host agent's log. */
export async function lastOfAgent(): Promise<string> {
  const log = await readFile(join(dataDir, "log/host-agent.log"), "utf8");
  return log.trim().split("\n").at(-1) ?? "";
}

export async function stopWith(signal: NodeJS.Signals): Promise<void> {
  const { child, status } = running();
  child.kill(signal);
  assert.equal(await status, 0, said);
  supervisor = undefined;
}

export async function killSupervisor(): Promise<void> {
  const holder = findBlockHolder(dataDir);
  assert.ok(holder);
  supervisor?.child.kill("SIGKILL");
  await waitForExit(holder, 5_000);
  assert.equal(isAlive(holder), false);
}

/** No process of the block's users or in the database's directory, no directory under /run, no claim. */
export async function assertNothingLeft(block: number): Promise<void> {
  const uid = 1_900_000_000 + block * 1024;
  assert.deepEqual(processesOfUids({ first: uid, last: uid + 1023 }), []);
  assert.equal(findBlockHolder(dataDir), undefined);
  await assert.rejects(stat(runtimeLayout(block).dir), { code: "ENOENT" });
  await assert.rejects(stat(`/run/wrenn/blocks/${block}`), { code: "ENOENT" });
  await assert.rejects(stat(join(dataDir, "postgres/postmaster.pid")), { code: "ENOENT" });
}
