// Which accelerator this machine really has: proven by running a guest, because /dev/kvm may open and still run none.
import { watch } from "node:fs";
import { chown, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { MIB } from "@wrenn/core";
import type { Accelerator, Machine, Vmm } from "./vmm.ts";

export interface ProofOptions {
  vmm: Vmm;
  kernel: string;
  initramfs: string;
  commandLine: string;
  /** A directory that is made, used and removed. */
  dir: string;
  /** User that the trial VMM runs under. */
  uid: number;
  /** Cgroup of the trial VMM. */
  cgroup: string;
  /** How long the guest may take to its first process, `ms`. Default: {@link DEADLINE_MS}. */
  deadlineMs?: number | undefined;
  /** File that remembers the answer until the machine is booted again; it must not outlive a boot. */
  cacheFile: string;
}

/** What one trial needs. */
export type TrialOptions = Omit<ProofOptions, "cacheFile">;

export interface Proof {
  accelerator: Accelerator;
  /** Why it is not KVM; undefined when it is. */
  reason: string | undefined;
}

/**
 * How long a guest may take to its first process, `ms`. A stock kernel under working KVM needs less than a second;
 * paravirtual variants that open /dev/kvm but need a special guest kernel spin in their emulator instead. Emulated,
 * it takes a few seconds, and more on a busy machine.
 */
const DEADLINE_MS: Record<Accelerator, number> = { kvm: 6000, tcg: 60_000 };
/** The same once more, for a machine that may have been busy. */
const SECOND_DEADLINE_MS = 15_000;
/** What the guest's first process prints when, as here, it finds no disk. */
const MARK = "wrenn-init:";
const TRIAL_MEMORY_MB = 256;

/** `kvm` when a guest has run on it, else `tcg`. The answer is kept per boot of the machine and VMM version. */
export async function proveAccelerator(options: ProofOptions): Promise<Proof> {
  const key = `${options.vmm.name} ${await options.vmm.version()}`;
  const remembered = await readCache(options.cacheFile, key);
  if (remembered) return remembered;
  const first = await attempt("kvm", options);
  let { reason } = first;
  // Remembered until the next boot, and wrong it would have nothing resume that was saved under KVM: a busy machine is slow.
  if (first.isLate)
    ({ reason } = await attempt("kvm", {
      ...options,
      deadlineMs: Math.max(options.deadlineMs ?? 0, SECOND_DEADLINE_MS),
    }));
  const proof: Proof = { accelerator: reason === undefined ? "kvm" : "tcg", reason };
  await mkdir(dirname(options.cacheFile), { recursive: true });
  await writeFile(`${options.cacheFile}.new`, JSON.stringify({ key, ...proof }));
  await rename(`${options.cacheFile}.new`, options.cacheFile);
  return proof;
}

/** Runs a guest up to its first process. Undefined when it got there, else the reason why not. */
export async function tryAccelerator(
  accelerator: Accelerator,
  options: TrialOptions,
): Promise<string | undefined> {
  return (await attempt(accelerator, options)).reason;
}

interface Outcome {
  /** Why it did not get there. */
  reason?: string;
  /** Whether it still ran when its time was up. */
  isLate: boolean;
}

async function attempt(
  accelerator: Accelerator,
  { vmm, kernel, initramfs, commandLine, dir, uid, cgroup, deadlineMs }: TrialOptions,
): Promise<Outcome> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  try {
    await writeFile(join(dir, "console.log"), "", { mode: 0o600 });
    await chown(join(dir, "console.log"), uid, uid);
    await chown(dir, uid, uid);
    const machine = await vmm.start({
      id: "accelerator-proof",
      vcpus: 1,
      memoryMb: TRIAL_MEMORY_MB,
      accelerator,
      kernel,
      initramfs,
      commandLine,
      disks: [],
      net: undefined,
      uid,
      dir,
      cgroup,
      maxFileBytes: MIB,
    });
    const isLate = await markOrEnd(machine, join(dir, "console.log"), deadlineMs ?? DEADLINE_MS[accelerator]);
    await machine.kill();
    const tail = await machine.consoleTail();
    if (tail.includes(MARK)) return { isLate: false };
    const last = tail.trim().split("\n").at(-1);
    const seen = last ? ` (last seen: ${last})` : "";
    return { reason: `a guest started with ${accelerator} did not reach its first process${seen}`, isLate };
  } catch (reason) {
    return { reason: reason instanceof Error ? reason.message : String(reason), isLate: false };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Waits until the console shows the mark, the machine has ended, or the time is up. Returns whether it was the last. */
async function markOrEnd(machine: Machine, console: string, deadlineMs: number): Promise<boolean> {
  let isLate = false;
  const enough = Promise.withResolvers<void>();
  const look = async () => {
    if ((await machine.consoleTail()).includes(MARK)) enough.resolve();
  };
  const watcher = watch(console, () => void look().catch(enough.reject));
  const timer = setTimeout(() => {
    isLate = true;
    enough.resolve();
  }, deadlineMs);
  try {
    await Promise.race([look(), machine.exited]);
    await Promise.race([enough.promise, machine.exited]);
    return isLate;
  } finally {
    clearTimeout(timer);
    watcher.close();
  }
}

async function readCache(path: string, key: string): Promise<Proof | undefined> {
  try {
    const kept = JSON.parse(await readFile(path, "utf8")) as { key: string } & Proof;
    if (kept.key !== key) return undefined;
    return { accelerator: kept.accelerator, reason: kept.reason };
  } catch {
    return undefined;
  }
}
