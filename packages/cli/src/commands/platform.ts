// The commands of other programs: they get the rest of the command line, the terminal and the signals.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../../../..");
const SUPERVISOR = join(ROOT, "packages/supervisor/src/main.ts");

/** Which program runs a command, and with which first arguments. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  up: [SUPERVISOR, "up"],
  down: [SUPERVISOR, "down"],
  status: [SUPERVISOR, "status"],
  logs: [SUPERVISOR, "logs"],
  doctor: [SUPERVISOR, "doctor"],
  bench: [join(ROOT, "bench/main.ts")],
  soak: [join(ROOT, "tests/soak/main.ts")],
  lab: [join(ROOT, "lab/main.ts")],
  test: [join(ROOT, "tests/main.ts")],
};

/** Signals that are handed on. Those typed at the terminal reach the whole group by themselves. */
const FORWARDED = ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const;

/** The arguments for Node that run a command of another program, or undefined if it is not one. */
export function programOf([command = "", ...args]: readonly string[]): string[] | undefined {
  const program = Object.hasOwn(PROGRAMS, command) ? PROGRAMS[command] : undefined;
  if (program === undefined) return undefined;
  if (program[0] === SUPERVISOR && args.some((arg) => arg === "--help" || arg === "-h")) {
    return [SUPERVISOR, "--help"];
  }
  return [...program, ...args];
}

/** Runs a program to its end and answers with its exit status. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, argv, { stdio: "inherit" });
  const forward = (signal: NodeJS.Signals) => void child.kill(signal);
  const ignore = () => undefined; // the child decides what Ctrl-C means
  for (const signal of FORWARDED) process.on(signal, forward);
  for (const signal of ["SIGINT", "SIGQUIT"] as const) process.on(signal, ignore);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.on("error", reject);
  child.on("exit", (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  return promise;
}
