// One builder of a thing at a time, among all processes of the machine.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { WrennError } from "@wrenn/core";

/** A lock that is held until it is disposed of, or this process ends in whatever way. */
export type Lock = AsyncDisposable;

/**
 * Waits for the lock on a file, which is made if missing.
 *
 * The kernel's own file lock (flock(2)), which Node cannot take, held by `flock FILE cat`: `cat` echoes a byte once the
 * lock is there, and ends when its input is closed, which the kernel does for a process that is killed. So there is no
 * stale lock to recognise.
 *
 * @throws the signal's reason when it fires first; `internal` when the file cannot be locked.
 */
export async function acquireLock(path: string, signal?: AbortSignal): Promise<Lock> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  signal?.throwIfAborted();
  const holder = spawn("flock", ["--exclusive", path, "cat"], { stdio: ["pipe", "pipe", "ignore"] });
  const ended = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  holder.once("close", () => {
    ended.resolve();
    failed.reject(new WrennError("internal", `cannot lock ${path}; is the directory writable?`));
  });
  holder.once("error", (cause) => {
    ended.resolve();
    failed.reject(new WrennError("internal", "flock could not be started; is it installed?", { cause }));
  });
  // Writing to a holder that failed to start or was killed: its end is what is reported.
  holder.stdin.on("error", () => {});

  const release = async () => {
    holder.stdin.end();
    holder.stdout.resume();
    await ended.promise;
  };
  const onAbort = () => holder.kill("SIGKILL");
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    holder.stdin.write("\n");
    await Promise.race([once(holder.stdout, "data"), failed.promise]);
    return { [Symbol.asyncDispose]: release };
  } catch (reason) {
    await release();
    signal?.throwIfAborted();
    throw reason;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}
