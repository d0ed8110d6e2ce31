// The wrenn command: node packages/cli/src/main.ts ARGS…
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import type { StricliProcess } from "@stricli/core";

// Compiled sources are kept in the user's own directory (halves the start), so everything is loaded after this.
enableCompileCache(join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "wrenn", "cli"));

const status = await main(process.argv.slice(2));
await Promise.all([written(process.stdout), written(process.stderr)]);
process.exit(status);

async function main(argv: readonly string[]): Promise<number> {
  const { programOf, runProgram } = await import("./commands/platform.ts");
  const program = programOf(argv);
  if (program !== undefined) return runProgram(program);
  const [{ run }, { application }] = await Promise.all([import("@stricli/core"), import("./app/app.ts")]);
  const { own, remoteCommand } = split(argv);
  await run(application(), own, { process: process as typeof process & StricliProcess, remoteCommand });
  const status = Number(process.exitCode ?? 0);
  // Stricli's own statuses are negative: -4 and -5 are mistakes in the command line.
  if (status < 0) return status === -4 || status === -5 ? 2 : 1;
  return status;
}

/** Resolves when all output is with its reader, or the reader is gone: what is still in a buffer at the exit is lost. */
function written(output: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    output.once("error", () => resolve());
    if (output.destroyed || output.writableEnded) resolve();
    else output.write("", () => resolve());
  });
}

/** What stands behind the first `--` is for the sandbox; nothing of it is ours to interpret. */
function split(argv: readonly string[]): { own: readonly string[]; remoteCommand: string[] | undefined } {
  const at = argv.indexOf("--");
  return at === -1
    ? { own: argv, remoteCommand: undefined }
    : { own: argv.slice(0, at), remoteCommand: argv.slice(at + 1) };
}
