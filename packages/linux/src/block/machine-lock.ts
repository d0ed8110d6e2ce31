// Mutual exclusion between all instances on a machine, for the few records that they share.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { CommandError } from "../run/command-error.ts";
import { DEFAULT_RUN_DIR } from "../run/host-side.ts";

const WAIT_SECONDS = 30;

/**
 * Runs `work` while holding the lock of the run directory, which is made when it is not there. The lock
 * is flock(2) in a child that ends with this process, so a crash leaves no stale lock.
 */
export async function withMachineLock<T>(runDir: string | undefined, work: () => Promise<T>): Promise<T> {
  const directory = runDir ?? DEFAULT_RUN_DIR;
  mkdirSync(directory, { recursive: true, mode: 0o711 });
  const argv = ["--exclusive", "--no-fork", "--timeout", String(WAIT_SECONDS), `${directory}/lock`, "cat"];
  const holder = spawn("flock", argv, { stdio: ["pipe", "pipe", "ignore"] });
  const ended = once(holder, "exit");
  const held = once(holder.stdout, "data");
  holder.stdin.on("error", () => {}); // EPIPE: it has ended, and `ended` tells
  holder.stdin.write("held\n"); // comes back as soon as `cat` runs, that is with the lock
  try {
    await Promise.race([held, ended.then(([status, signal]) => Promise.reject(refused(status, signal)))]);
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}

function refused(exitCode: number | null, signal: NodeJS.Signals | null): CommandError {
  const reason = exitCode === 1 ? "timeout" : "exit";
  return new CommandError({ reason, argv0: "flock", exitCode, signal, stderr: "" });
}
