// A lab for as long as a suite runs.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const DIR = "WRENN_LAB_DIR";

/** Runs `work` with a lab whose directory is in the environment: a running one that is there already, or one of its own. */
export async function withLab<T>(work: () => Promise<T>): Promise<T> {
  if (process.env[DIR]) return await work();
  // Only when it is needed: this loads the builders of images.
  const [{ startLab }, { endLab }] = await Promise.all([
    import("../../lab/lab.ts"),
    import("../../lab/machine/boot.ts"),
  ]);
  const dir = await mkdtemp(join(tmpdir(), "wrenn-lab-"));
  const cacheDir = process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn";
  const firecracker = process.env["FIRECRACKER_BIN"] || undefined;
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new Error("interrupted"));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, interrupt);
  try {
    const say = (line: string) => void process.stdout.write(`lab: ${line}\n`);
    const { record } = await startLab({ dir, cacheDir, say, firecracker, signal: interrupted.signal });
    process.env[DIR] = dir;
    const end = () => void endLab(record).finally(() => process.exit(1));
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, end);
    try {
      return await work();
    } finally {
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, end);
      await endLab(record);
    }
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, interrupt);
    delete process.env[DIR];
    await rm(dir, { recursive: true, force: true });
  }
}
