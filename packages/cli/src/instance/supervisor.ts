// Running the supervisor's commands on behalf of `wrenn run`.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { CliError } from "../failure.ts";

const SUPERVISOR = join(import.meta.dirname, "../../../supervisor/src/main.ts");

/**
 * Runs one to its end. It gets a session of its own, so that Ctrl-C at the terminal reaches it only
 * as far as `signal` says. Its progress goes to stderr; stdout belongs to the sandboxed command.
 */
export async function runSupervisor(args: readonly string[], signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const child = spawn(process.execPath, [SUPERVISOR, ...args], {
    detached: true,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const stop = () => child.kill("SIGTERM");
  signal?.addEventListener("abort", stop, { once: true });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  child.on("error", reject);
  child.on("exit", (code, killer) =>
    resolve(code === null ? `was killed by ${killer}` : `ended with ${code}`),
  );
  try {
    const end = await promise;
    signal?.throwIfAborted();
    if (end !== "ended with 0") throw new CliError(`wrenn ${args.join(" ")} ${end}; see above`);
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}
