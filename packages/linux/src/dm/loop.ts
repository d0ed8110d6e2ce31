// Loop devices: files as block devices.
import { readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { WrennError } from "@wrenn/core";
import { run } from "../run/run.ts";
import { until } from "../run/until.ts";

const TIMEOUT_MS = 30_000;
/** As for devices above it: its user may be on its way out. */
const BUSY_MS = 10_000;

export interface LoopDevice {
  /** `/dev/loop0`. */
  device: string;
  /** Path of the file, as it was when the device was set up. */
  file: string;
}

/** Sets up a device for a file, which exists. `file` is a path without links, as the kernel will know it. */
export async function attachLoop(file: string, options: { readOnly: boolean }): Promise<LoopDevice> {
  const readOnly = options.readOnly ? ["--read-only"] : [];
  const { stdout } = await run(["losetup", "--find", "--show", ...readOnly, "--", file], {
    timeoutMs: TIMEOUT_MS,
  });
  return { device: stdout.trim(), file };
}

/**
 * Takes a device down. Already gone is success. The kernel puts off the end of a device that somebody has open, without
 * saying so; this waits for the real end, and throws when it does not come.
 */
export async function detachLoop(loop: LoopDevice): Promise<void> {
  if (!isAttached(loop)) return;
  await run(["losetup", "--detach", loop.device], { timeoutMs: TIMEOUT_MS });
  if (await until(() => !isAttached(loop), { timeoutMs: BUSY_MS })) return;
  throw new WrennError("internal", `${loop.device} (${loop.file}) is still in use and cannot be taken down`);
}

/** The device of a file, if it has one. `file` is a path without links, of a file that was not deleted since. */
export function findLoop(file: string): LoopDevice | undefined {
  return loopsBelow(dirname(file)).find((loop) => loop.file === file);
}

/** The devices whose files lie in a directory, at whatever depth, also when the file has been deleted since. */
export function loopsBelow(directory: string): LoopDevice[] {
  return readdirSync("/sys/block")
    .filter((name) => /^loop\d+$/.test(name))
    .flatMap((name) => {
      const file = backingFile(`/dev/${name}`);
      return file?.startsWith(`${directory}/`) ? [{ device: `/dev/${name}`, file }] : [];
    });
}

function isAttached({ device, file }: LoopDevice): boolean {
  return backingFile(device) === file;
}

/** Undefined for a device that has no file. */
function backingFile(device: string): string | undefined {
  try {
    const text = readFileSync(`/sys/block/${device.slice("/dev/".length)}/loop/backing_file`, "utf8");
    return text.replace(/\n$/, "").replace(/ \(deleted\)$/, "");
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw reason;
  }
}
