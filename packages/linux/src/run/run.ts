// One command, as an argument vector, with a time limit and bounded output. Never a shell.
import { type ChildProcess, spawn } from "node:child_process";
import { StringDecoder } from "node:string_decoder";
import { CommandError, type CommandFailure } from "./command-error.ts";

export interface RunOptions {
  /** Milliseconds until the command and its process group are killed. */
  timeoutMs: number;
  /** Written to standard input, which is then closed. Without it, standard input is empty. */
  input?: string | Uint8Array | undefined;
  /** Kills the command when it fires. */
  signal?: AbortSignal | undefined;
  /** The whole environment. Default: that of this process. */
  env?: Record<string, string> | undefined;
  cwd?: string | undefined;
  /** Bytes of standard output that are kept; more is a failure. Default: 1 MiB. */
  maxOutput?: number | undefined;
  /** Told each line of standard error as it comes; of a long line only the first 4 KiB. */
  onStderrLine?: ((line: string) => void) | undefined;
}

export interface RunResult {
  stdout: string;
  /** The last 4 KiB. */
  stderr: string;
}

const STDERR_TAIL_BYTES = 4096;
const DEFAULT_MAX_OUTPUT = 1024 * 1024;

/**
 * Runs a command to its end. It leads its own process group, so that killing it reaches its children.
 *
 * @throws {CommandError} when it cannot start, does not exit with 0, is too slow or too talkative.
 */
export async function run(argv: readonly [string, ...string[]], options: RunOptions): Promise<RunResult> {
  const [argv0, ...args] = argv;
  if (options.signal?.aborted) throw failed({ reason: "aborted", argv0, cause: options.signal.reason });
  const child = spawn(argv0, args, {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
    ...(options.env && { env: options.env }),
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  });

  let killedFor: CommandFailure | undefined;
  const kill = (reason: CommandFailure) => {
    killedFor ??= reason;
    killGroup(child);
  };
  const timer = setTimeout(kill, options.timeoutMs, "timeout");
  const onAbort = () => kill("aborted");
  options.signal?.addEventListener("abort", onAbort, { once: true });

  const output = collect(child, options.maxOutput ?? DEFAULT_MAX_OUTPUT, () => kill("output"));
  if (options.onStderrLine) followLines(child, options.onStderrLine);
  // The command may end without reading its input (EPIPE): its exit status tells whether that mattered.
  child.stdin.on("error", () => {});
  child.stdin.end(options.input);

  try {
    const { exitCode, signal } = await ended(child, argv0);
    const stderr = output.stderr();
    if (killedFor) throw failed({ reason: killedFor, argv0, signal, stderr, cause: options.signal?.reason });
    if (signal) throw failed({ reason: "signal", argv0, signal, stderr });
    if (exitCode !== 0) throw failed({ reason: "exit", argv0, exitCode, stderr });
    return { stdout: output.stdout(), stderr };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", onAbort);
  }
}

function failed(
  outcome: Pick<CommandError, "reason" | "argv0"> &
    Partial<Pick<CommandError, "exitCode" | "signal" | "stderr">> & { cause?: unknown },
): CommandError {
  return new CommandError({ exitCode: null, signal: null, stderr: "", ...outcome });
}

function collect(child: ChildProcess, maxOutput: number, onTooMuch: () => void) {
  const stdout: Buffer[] = [];
  let stdoutBytes = 0;
  let stderr: Buffer = Buffer.alloc(0);
  child.stdout?.on("data", (chunk: Buffer) => {
    stdoutBytes += chunk.length;
    if (stdoutBytes > maxOutput) onTooMuch();
    else stdout.push(chunk);
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr = Buffer.concat([stderr, chunk]).subarray(-STDERR_TAIL_BYTES);
  });
  return {
    stdout: () => Buffer.concat(stdout).toString("utf8"),
    stderr: () => stderr.toString("utf8"),
  };
}

/** Lines are cut to {@link STDERR_TAIL_BYTES}, so a command that never ends its line costs no memory. */
function followLines(child: ChildProcess, onLine: (line: string) => void): void {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split("\n");
    rest = (lines.pop() ?? "").slice(0, STDERR_TAIL_BYTES);
    for (const line of lines) onLine(line.slice(0, STDERR_TAIL_BYTES));
  });
  child.stderr?.once("end", () => {
    if (rest !== "") onLine(rest);
  });
}

function ended(
  child: ChildProcess,
  argv0: string,
): Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.once("error", (cause) => {
      if (child.pid === undefined) reject(failed({ reason: "spawn", argv0, cause }));
    });
    child.once("close", (exitCode, signal) => resolve({ exitCode, signal }));
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // ESRCH: the group has ended by itself.
  }
}
