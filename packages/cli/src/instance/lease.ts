// Using the platform of a data directory for a while: starts it if it does not run, and stops it again.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CliError } from "../failure.ts";
import type { Progress } from "../output/progress.ts";
import { type Instance, localApiKey, runningInstance } from "./instance.ts";
import { withLock } from "./lock.ts";
import { isAlive, ownIdentity, type ProcessIdentity } from "./process-identity.ts";
import { runSupervisor } from "./supervisor.ts";
import type { Target } from "./target.ts";

export interface LeaseOptions {
  dataDir: string;
  progress: Progress;
  signal: AbortSignal;
  /** Runs a command of the supervisor to its end. */
  supervise?: typeof runSupervisor;
}

export interface Lease extends AsyncDisposable {
  target: Target;
}

/**
 * A platform that runs at least as long as the lease. One that `wrenn up` started is just used. One
 * that a lease started is stopped when the last lease on it ends, whoever holds that, so that several
 * at once share it. Leases of killed processes do not count.
 */
export async function leasePlatform(options: LeaseOptions): Promise<Lease> {
  const { dataDir, signal } = options;
  return withLock(
    dataDir,
    async () => {
      const found = runningInstance(dataDir);
      const instance = found ?? (await start(options));
      const isShared = found === undefined || wasLeased(dataDir, instance);
      if (isShared) register(dataDir, instance);
      const apiKey = localApiKey(dataDir);
      if (apiKey === undefined)
        throw new CliError(`cannot read ${dataDir}/api-key, which the platform wrote`);
      return {
        target: { url: instance.url, apiKey },
        async [Symbol.asyncDispose]() {
          if (isShared) await withLock(dataDir, () => release(options));
        },
      };
    },
    signal,
  );
}

async function start({
  dataDir,
  progress,
  signal,
  supervise = runSupervisor,
}: LeaseOptions): Promise<Instance> {
  await progress.step("starting the platform", () =>
    supervise(["up", "--detach", "--data-dir", dataDir, "--listen", "127.0.0.1:0"], signal),
  );
  const instance = runningInstance(dataDir);
  if (instance === undefined) throw new CliError(`the platform did not write ${dataDir}/instance.json`);
  return instance;
}

async function release({ dataDir, progress, supervise = runSupervisor }: LeaseOptions): Promise<void> {
  const instance = runningInstance(dataDir);
  rmSync(join(leaseDir(dataDir), leaseName(ownIdentity())), { force: true });
  if (instance === undefined || !wasLeased(dataDir, instance) || holders(dataDir).length > 0) return;
  await progress.step("stopping the platform", () => supervise(["down", "--data-dir", dataDir]));
  rmSync(leaseDir(dataDir), { recursive: true, force: true });
}

/** Which instance was started for leases, and a file for each lease on it. */
function leaseDir(dataDir: string): string {
  return join(dataDir, "leases");
}

function startedFile(dataDir: string): string {
  return join(leaseDir(dataDir), "started.json");
}

function leaseName({ pid, start_time }: ProcessIdentity): string {
  return `${pid}-${start_time}`;
}

function register(dataDir: string, { pid, start_time }: Instance): void {
  mkdirSync(leaseDir(dataDir), { recursive: true, mode: 0o700 });
  writeFileSync(startedFile(dataDir), JSON.stringify({ pid, start_time }));
  writeFileSync(join(leaseDir(dataDir), leaseName(ownIdentity())), "");
}

function wasLeased(dataDir: string, instance: ProcessIdentity): boolean {
  try {
    const started = JSON.parse(readFileSync(startedFile(dataDir), "utf8")) as ProcessIdentity;
    return started.pid === instance.pid && started.start_time === instance.start_time;
  } catch {
    return false; // no such file: nobody leased
  }
}

function holders(dataDir: string): ProcessIdentity[] {
  return readdirSync(leaseDir(dataDir))
    .map((name) => /^(\d+)-(\d+)$/.exec(name))
    .filter((match) => match !== null)
    .map(([, pid, start_time]) => ({ pid: Number(pid), start_time: Number(start_time) }))
    .filter(isAlive);
}
