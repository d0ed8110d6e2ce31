// Starting a child with pipes, or on a terminal of its own.
import { closeSync, fchownSync } from "node:fs";
import type { Credentials } from "./credentials.ts";
import { withCredentials } from "./credentials.ts";
import { FdReader } from "./fd-reader.ts";
import { FdWriter } from "./fd-writer.ts";
import { pipe, setNonBlocking } from "./libc.ts";
import { adoptTerminal, terminalMasters } from "./terminal.ts";
import { TerminalWriter } from "./terminal-writer.ts";

/** How a child ended, as the kernel told. All fields empty: it could not be found out. */
export interface ExitResult {
  code: number | null;
  /** Name ("SIGKILL"), or the number as text for a signal without one. */
  signal: string | null;
}

export type OutputKind = "stdout" | "stderr" | "pty";

export interface SpawnRequest {
  /** Absolute path of the program. */
  executable: string;
  /** `argv[0]`. */
  name: string;
  args: readonly string[];
  env: Record<string, string>;
  cwd: string;
  credentials: Credentials;
  /** Directory of the control group to start in. */
  cgroup?: string | undefined;
  /** Whether to keep a writable stdin; without it the child reads end-of-file. A terminal always has it. */
  stdin: boolean;
  terminal?: { cols: number; rows: number } | undefined;
}

export interface SpawnedChild {
  pid: number;
  outputs: { kind: OutputKind; reader: FdReader }[];
  input: FdWriter | TerminalWriter | undefined;
  /** Descriptor of the terminal's master side, for its size. Owned by the reader in `outputs`. */
  master: number | undefined;
  exited: Promise<ExitResult>;
}

/**
 * Starts a child as leader of its own session and process group. Its stdio are real pipes (not the
 * socketpairs of `stdout: "pipe"`) that belong to the child's user, so that it can reopen `/dev/stdout`.
 * Throws what the kernel said (`code`: ENOENT, EACCES, ENOEXEC, E2BIG, ...).
 */
export function spawn(request: SpawnRequest): SpawnedChild {
  return request.terminal === undefined ? spawnOnPipes(request) : spawnOnTerminal(request, request.terminal);
}

function spawnOnPipes(request: SpawnRequest): SpawnedChild {
  const { uid, gid } = request.credentials;
  const ours: number[] = [];
  const theirs: number[] = [];
  const open = (ourEnd: 0 | 1) => {
    const ends = pipe();
    ours.push(ends[ourEnd]);
    theirs.push(ends[1 - ourEnd] as number);
    setNonBlocking(ends[ourEnd]);
    if (uid !== 0) fchownSync(ends[ourEnd], uid, gid);
    return ends;
  };
  try {
    const stdout = open(0);
    const stderr = open(0);
    const stdin = request.stdin ? open(1) : undefined;
    const child = start(request, { stdio: [stdin?.[0] ?? "ignore", stdout[1], stderr[1]] });
    return {
      pid: child.pid,
      exited: child.exited,
      input: stdin && new FdWriter(stdin[1]),
      master: undefined,
      outputs: [
        { kind: "stdout", reader: new FdReader(stdout[0]) },
        { kind: "stderr", reader: new FdReader(stderr[0]) },
      ],
    };
  } catch (error) {
    for (const fd of ours) closeSync(fd);
    throw error;
  } finally {
    for (const fd of theirs) closeSync(fd);
  }
}

function spawnOnTerminal(request: SpawnRequest, size: { cols: number; rows: number }): SpawnedChild {
  const before = terminalMasters();
  const child = start(request, { terminal: size });
  const { reading, writing } = adoptTerminal(child.terminal, before);
  return {
    pid: child.pid,
    exited: child.exited,
    input: new TerminalWriter(writing),
    master: reading,
    outputs: [{ kind: "pty", reader: new FdReader(reading) }],
  };
}

type Stdio = { stdio: ["ignore" | number, number, number] } | { terminal: { cols: number; rows: number } };

function start(request: SpawnRequest, stdio: Stdio) {
  const exit = Promise.withResolvers<ExitResult>();
  const child = withCredentials(request.credentials, () =>
    Bun.spawn({
      cmd: [request.executable, ...request.args],
      argv0: request.name,
      cwd: request.cwd,
      env: request.env,
      detached: true,
      ...(request.cgroup === undefined ? {} : { cgroup: request.cgroup }),
      ...stdio,
      onExit: (_child, code, signal) =>
        exit.resolve({ code, signal: signal === null ? null : String(signal) }),
    }),
  );
  return { pid: child.pid, terminal: child.terminal, exited: exit.promise };
}
