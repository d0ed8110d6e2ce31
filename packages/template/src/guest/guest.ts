// What every guest boots with, whatever its root file system: kernel, initramfs and agent drive.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { AGENT_DRIVE_PACKAGES, buildAgentDrive } from "../agent-drive/agent-drive.ts";
import { fileSha256 } from "../cache/hash.ts";
import { withScratch } from "../cache/scratch.ts";
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

export interface PrepareGuestOptions extends BuildOptions {
  buildEnvd: BuildEnvd;
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
  const agentDrive = await withScratch({ ...options, name: "envd" }, async (scratch) => {
    const agent = { executable: join(scratch, "envd"), kernels: join(scratch, "kernels") };
    await step(options, "compile agent", () =>
      options.buildEnvd({
        outFile: agent.executable,
        kernelsDir: agent.kernels,
        ...(signal && { signal }),
      }),
    );
    return await buildAgentDrive(agent, only(AGENT_DRIVE_PACKAGES), options);
  });
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
