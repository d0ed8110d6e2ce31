// A file system of its own that a test can fill up.
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommandError, run } from "@wrenn/linux";
import { whenToldToEnd } from "../told-to-end.ts";

const TIMEOUT_MS = 60_000;
const FILLER = "filler";
/** What is taken at a time, until not even that is left: bytes. */
const CHUNKS = [256 << 20, 16 << 20, 1 << 20, 64 << 10, 4096];

export interface SmallDisk extends AsyncDisposable {
  /** Where it is mounted. */
  readonly path: string;
  /** Takes what is free but for about `leave` bytes. */
  fill(leave: number): Promise<void>;
  /** Gives that back. */
  free(): void;
}

/** An ext4 of so many bytes in a sparse file below the temporary directory; unmounted and removed when disposed of. */
export async function smallDisk(bytes: number): Promise<SmallDisk> {
  const dir = mkdtempSync(join(tmpdir(), "wrenn-disk-"));
  const [file, path] = [join(dir, "disk"), join(dir, "mnt")];
  mkdirSync(path);
  closeSync(openSync(file, "wx"));
  truncateSync(file, bytes);
  await run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", file], { timeoutMs: TIMEOUT_MS });
  await run(["mount", "-o", "loop", file, path], { timeoutMs: TIMEOUT_MS });
  const filler = join(path, FILLER);
  const disk: SmallDisk = {
    path,
    async fill(leave) {
      const { bavail, bsize } = statfsSync(path);
      let left = bavail * bsize - leave;
      let taken = 0;
      for (const chunk of CHUNKS) {
        while (left >= chunk && (await take(filler, taken, chunk))) {
          taken += chunk;
          left -= chunk;
        }
      }
    },
    free() {
      rmSync(filler, { force: true });
    },
    async [Symbol.asyncDispose]() {
      forget();
      await run(["umount", path], { timeoutMs: TIMEOUT_MS });
      rmSync(dir, { recursive: true });
    },
  };
  const forget = whenToldToEnd(async () => await disk[Symbol.asyncDispose]());
  return disk;
}

/** Whether there was still that much. */
async function take(file: string, offset: number, length: number): Promise<boolean> {
  try {
    await run(["fallocate", "-o", String(offset), "-l", String(length), file], { timeoutMs: TIMEOUT_MS });
    return true;
  } catch (reason) {
    if (reason instanceof CommandError) return false;
    throw reason;
  }
}
