// Starting a confined program so that it is in its control group before it runs its first instruction.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fstatSync, readFileSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { WrennError } from "@wrenn/core";
import type { Cgroup } from "../cgroup/cgroup.ts";
import { type ProcessIdentity, processIdentity } from "../process/identity.ts";
import { kill } from "../process/signal.ts";
import { CommandError } from "../run/command-error.ts";
import type { Argv } from "../run/host-side.ts";
import { type Confinement, confine } from "./confine.ts";
import { withoutStrayFds } from "./stray-fds.ts";

export interface SpawnConfinedOptions {
  /** Control group that the program starts in. */
  cgroup?: Cgroup | undefined;
  /** Descriptors for its output; files, not pipes, when it is to outlive this process. */
  stdout: number;
  stderr: number;
  /** The whole environment. */
  env: Record<string, string>;
  /** Further descriptors of this process; inside they are {@link confinedFd}(0), (1), … */
  fds?: readonly number[] | undefined;
  /** Milliseconds until it must have been set up. Default: 10 000. */
  timeoutMs?: number | undefined;
}

/**
 * How a confined program ended. `status` is what bwrap reports: the exit status, or 128 + n when signal
 * n ended it; a program that itself exits with such a status cannot be told apart. Null when bwrap was
 * killed, so that nobody knows.
 */
export interface ConfinedExit {
  status: number | null;
}

export interface ConfinedProcess {
  /** The program itself, as seen from the host. */
  identity: ProcessIdentity;
  /** Resolves when it has ended; never rejects. Until then it keeps the event loop of this process alive. */
  exited: Promise<ConfinedExit>;
}

/** The first descriptor after the standard ones and the two that hold the program. */
const FIRST_FD = 5;

/** The number inside of the descriptor at an index of {@link SpawnConfinedOptions.fds}. */
export function confinedFd(index: number): number {
  return FIRST_FD + index;
}

/**
 * Starts `argv` confined. It has a session of its own and nothing connects it to this process, so it
 * survives its end. When anything fails on the way, nothing is left running.
 *
 * Between its start and its release this process may die: the program then runs, but outside of its
 * group. That is why left-overs are also looked for by uid ({@link sweepBlock}).
 */
export async function spawnConfined(
  confinement: Confinement,
  argv: Argv,
  options: SpawnConfinedOptions,
): Promise<ConfinedProcess> {
  const [argv0, ...args] = confine(confinement, argv, { info: 3, block: 4 });
  const wanted = ["ignore", options.stdout, options.stderr, "pipe", "pipe", ...(options.fds ?? [])] as const;
  const child = withoutStrayFds(wanted, (stdio) =>
    spawn(argv0, args, { stdio, env: options.env, detached: true }),
  );
  const exited = exitOf(child);
  const info = child.stdio[3] as Readable;
  const release = child.stdio[4] as Writable;
  release.on("error", () => {}); // EPIPE when it has ended: `exited` tells

  let identity: ProcessIdentity | undefined;
  try {
    identity = await heldProcess(child, info, options);
    options.cgroup?.add(identity.pid);
    release.end("go");
    return { identity, exited };
  } catch (error) {
    // Never bwrap alone: the held program would take the end of `release` for its start. The end of the
    // program is the end of bwrap.
    if (identity) kill(identity, "SIGKILL");
    else child.kill("SIGKILL");
    await exited;
    throw error instanceof WrennError ? error : failed(child, options, error);
  } finally {
    info.destroy();
  }
}

/** Waits until bwrap has made the namespaces. The program exists then, and waits. */
async function heldProcess(
  child: ChildProcess,
  info: Readable,
  options: SpawnConfinedOptions,
): Promise<ProcessIdentity> {
  const deadline = { signal: AbortSignal.timeout(options.timeoutMs ?? 10_000) };
  await once(child, "spawn", deadline);
  let text = "";
  info.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  await once(info, "end", deadline);
  const pid = childPid(text);
  const identity = pid === undefined ? undefined : processIdentity(pid);
  if (!identity) throw new Error("the program ended before it was set up");
  return identity;
}

function childPid(text: string): number | undefined {
  const pid = text === "" ? undefined : (JSON.parse(text) as { "child-pid"?: number })["child-pid"];
  return Number.isInteger(pid) ? pid : undefined;
}

function exitOf(child: ChildProcess): Promise<ConfinedExit> {
  return new Promise((resolve) => {
    child.once("exit", (status) => resolve({ status }));
    child.once("error", () => resolve({ status: null }));
  });
}

function failed(child: ChildProcess, options: SpawnConfinedOptions, cause: unknown): CommandError {
  const { spawnfile: argv0, exitCode, signalCode: signal } = child;
  const timedOut = cause instanceof Error && cause.name === "AbortError";
  return new CommandError({
    reason: child.pid === undefined ? "spawn" : timedOut ? "timeout" : signal ? "signal" : "exit",
    argv0,
    exitCode,
    signal,
    stderr: tailOf(options.stderr),
    cause,
  });
}

/** The last words in an output file, read by reopening it; empty for a pipe, a terminal or a device. */
function tailOf(fd: number): string {
  if (!fstatSync(fd).isFile()) return "";
  return readFileSync(`/proc/self/fd/${fd}`).subarray(-4096).toString("utf8");
}
