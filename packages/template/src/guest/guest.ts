// What every guest boots with, whatever its root file system: kernel, initramfs and agent drive.
import { mkdir } from "node:fs/promises";
import { buildAgentDrive } from "../agent-drive/agent-drive.ts";
import { fileSha256 } from "../cache/hash.ts";
import { buildInitramfs } from "../initramfs/initramfs.ts";
import { prepareKernel } from "../kernel/kernel.ts";
import type { BuildOptions } from "../progress.ts";

/** Paths in the cache; the files are read-only and never change. */
export interface GuestArtifacts {
  /** ELF image of the kernel, for `-kernel`. */
  kernel: string;
  /** As `uname -r` says it. */
  kernelVersion: string;
  initramfs: string;
  /** erofs image, the guest's second disk (vdb). */
  agentDrive: string;
  /** SHA-256 of each, 64 hex digits. */
  hashes: { kernel: string; initramfs: string; agentDrive: string };
}

/** Compiles the guest agent, or finds it compiled, and gives the path of the executable. */
export type BuildEnvd = (options: { cacheDir: string; signal?: AbortSignal | undefined }) => Promise<string>;

export interface PrepareGuestOptions extends BuildOptions {
  buildEnvd: BuildEnvd;
}

/** Makes what is missing in the cache. Needs the network only for Debian packages that are not there yet. */
export async function prepareGuest(options: PrepareGuestOptions): Promise<GuestArtifacts> {
  const { cacheDir, signal } = options;
  await mkdir(cacheDir, { recursive: true, mode: 0o755 });
  const kernel = await prepareKernel(options);
  const initramfs = await buildInitramfs(kernel, options);
  const agentDrive = await buildAgentDrive(await options.buildEnvd({ cacheDir, signal }), options);
  const hashes = await Promise.all(
    [kernel.path, initramfs, agentDrive].map((path) => fileSha256(path, signal)),
  );
  const [kernelHash = "", initramfsHash = "", agentDriveHash = ""] = hashes;
  return {
    kernel: kernel.path,
    kernelVersion: kernel.release,
    initramfs,
    agentDrive,
    hashes: { kernel: kernelHash, initramfs: initramfsHash, agentDrive: agentDriveHash },
  };
}
