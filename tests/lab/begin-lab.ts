// A lab for as long as the tests of this process run.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startLab } from "../../lab/lab.ts";
import { endLab } from "../../lab/machine/boot.ts";
import { whenToldToEnd } from "../told-to-end.ts";

const DIR = "WRENN_LAB_DIR";

/**
 * Puts a lab's directory into the environment: that of a running one where it is there already, or of one that is started.
 * Returns what ends that one. A process that is told to end meanwhile ends it as well.
 */
export async function beginLab(): Promise<() => Promise<void>> {
  if (process.env[DIR]) return async () => {};
  const dir = await mkdtemp(join(tmpdir(), "wrenn-lab-"));
  const cacheDir = process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn";
  const firecracker = process.env["FIRECRACKER_BIN"] || undefined;
  const interrupted = new AbortController();
  const say = (line: string) => void process.stdout.write(`lab: ${line}\n`);
  const starting = startLab({ dir, cacheDir, say, firecracker, signal: interrupted.signal });
  const giveBack = async () => {
    forget();
    const lab = await starting.catch(() => undefined);
    if (lab !== undefined) await endLab(lab.record);
    await rm(dir, { recursive: true, force: true });
  };
  const forget = whenToldToEnd(async () => {
    interrupted.abort(new Error("interrupted"));
    await giveBack();
  });
  try {
    await starting;
  } catch (reason) {
    await giveBack();
    throw reason;
  }
  process.env[DIR] = dir;
  return giveBack;
}
