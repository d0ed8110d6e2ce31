// `wrenn up --detach`: a supervisor in the background, and a command that returns when it is ready.
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { getCompileCacheDir } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { WrennError } from "@wrenn/core";
import { LOAD_ONLY } from "./code-cache.ts";
import { compileSources } from "./compile.ts";
import { dataLayout, logFile, SOURCE_ROOT } from "./layout.ts";
import { MALLOC_SETTINGS } from "./node-flags.ts";
import { NOTIFY_FD, parseNotice } from "./notify.ts";
import { tailOf } from "./rotating-log.ts";

const MAIN = join(import.meta.dirname, "main.ts");

/**
 * Runs `main.ts up …argv` in a session of its own, shows its progress, and returns once it is ready.
 * Throws `unavailable` with its reason when it ends before that.
 */
export async function upDetached(dataDir: string, argv: readonly string[]): Promise<void> {
  const data = dataLayout(dataDir);
  mkdirSync(data.logs, { recursive: true, mode: 0o700 });
  const log = logFile(data, "supervisor");
  await compileSupervisor();
  const output = openSync(log, "a", 0o640);
  const child = spawn(process.execPath, [MAIN, "up", ...argv], {
    cwd: "/",
    detached: true,
    env: { ...process.env, ...MALLOC_SETTINGS, [NOTIFY_FD]: "3" },
    stdio: ["ignore", output, output, "pipe"],
  });
  closeSync(output);
  const interrupt = (): void => {
    child.kill("SIGTERM");
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  const pipe = child.stdio[3] as Readable;
  try {
    let ready = false;
    let failure: string | undefined;
    for await (const line of createInterface({ input: pipe })) {
      const notice = parseNotice(line);
      if (notice && "say" in notice) process.stderr.write(notice.say);
      if (notice && "ready" in notice) {
        process.stdout.write(notice.ready);
        ready = true;
      }
      if (notice && "failed" in notice) failure = notice.failed;
    }
    if (ready) return;
    throw new WrennError("unavailable", failure ?? `ended at once; the end of ${log}:\n${tailOf(log, 15)}`);
  } finally {
    pipe.destroy();
    child.unref();
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
  }
}

/** Has the sources of the supervisor compiled before it starts. This process shares its code cache. */
async function compileSupervisor(): Promise<void> {
  const codeCache = getCompileCacheDir();
  if (codeCache === undefined) return;
  const command = [process.execPath, MAIN, LOAD_ONLY] as const;
  await compileSources({ sourceRoot: SOURCE_ROOT, filled: `${codeCache}.sources`, command });
}
