// What every guest boots with, whatever its root file system: kernel, initramfs and agent drive.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { AGENT_DRIVE_PACKAGES, buildAgentDrive } from "../agent-drive/agent-drive.ts";
import { fileSha256 } from "../cache/hash.ts";
import { fetchPackages } from "../debian/packages.ts";
import { buildInitramfs, INITRAMFS_PACKAGES } from "../initramfs/initramfs.ts";
import { prepareKernel } from "../kernel/kernel.ts";
import { type BuildOptions, step } from "../progress.ts";

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

/** Compiles the guest agent into one executable; the same sources give the same bytes. As in `@wrenn/envd`. */
export type BuildEnvd = (options: {
  outFile: string;
  /** Gets the programs of the code interpreter. */
  kernelsDir: string;
  signal?: AbortSignal;
}) => Promise<void>;

/** Names what `BuildEnvd` makes, without making it: 64 hex digits. As in `@wrenn/envd`. */
export type EnvdKey = (signal?: AbortSignal) => Promise<string>;

export interface PrepareGuestOptions extends BuildOptions {
  buildEnvd: BuildEnvd;
  envdKey: EnvdKey;
}

/** Kernel and initramfs alone: as much of a guest as it takes to prove an accelerator. */
export async function prepareBoot(options: BuildOptions): Promise<{ kernel: string; initramfs: string }> {
  await mkdir(options.cacheDir, { recursive: true, mode: 0o755 });
  const kernel = await prepareKernel(options);
  const packages = await fetchPackages(INITRAMFS_PACKAGES, options);
  return { kernel: kernel.path, initramfs: await buildInitramfs(kernel, packages, options) };
}

/** Makes what is missing in the cache. Needs the network only for Debian packages that are not there yet. */
export async function prepareGuest(options: PrepareGuestOptions): Promise<GuestArtifacts> {
  const { cacheDir, signal } = options;
  await mkdir(cacheDir, { recursive: true, mode: 0o755 });
  const kernel = await prepareKernel(options);
  const packages = await fetchPackages([...INITRAMFS_PACKAGES, ...AGENT_DRIVE_PACKAGES], options);
  const only = (names: readonly string[]) => packages.filter((deb) => names.includes(deb.name));
  const initramfs = await buildInitramfs(kernel, only(INITRAMFS_PACKAGES), options);
  const compile = (dir: string) =>
    step(options, "compile agent", async () => {
      const agent = { executable: join(dir, "envd"), kernels: join(dir, "kernels") };
      const { executable: outFile, kernels: kernelsDir } = agent;
      await options.buildEnvd({ outFile, kernelsDir, ...(signal && { signal }) });
      return agent;
    });
  const agent = { key: await options.envdKey(signal), compile };
  const agentDrive = await buildAgentDrive(agent, only(AGENT_DRIVE_PACKAGES), options);
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
