// The guest's kernel: Debian's stock cloud kernel, unpacked for booting directly.
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { WrennError } from "@wrenn/core";
import { cached } from "../cache/cached.ts";
import { partsSha256 } from "../cache/hash.ts";
import { publish } from "../cache/publish.ts";
import { dependencies, fetchPackages, unpack } from "../debian/packages.ts";
import { type BuildOptions, step } from "../progress.ts";
import { unpackKernel } from "./bzimage.ts";
import { GUEST_MODULES } from "./modules.ts";

export interface GuestKernel {
  /** ELF image, for `-kernel`. */
  path: string;
  /** As `uname -r` says it: `6.1.0-56-cloud-amd64`. */
  release: string;
  /** Paths of {@link GUEST_MODULES}, in that order. */
  modules: string[];
}

/** Depends on the newest concrete kernel of the release. */
const META_PACKAGE = "linux-image-cloud-amd64";
const CONCRETE = /^linux-image-(\d+\.\d+\.\d+-.*cloud-amd64)$/;

/** The kernel of this machine's Debian release. Nothing is installed. */
export async function prepareKernel(options: BuildOptions): Promise<GuestKernel> {
  // With other modules it is another thing.
  const name = `kernel/${META_PACKAGE}-${partsSha256(GUEST_MODULES).slice(0, 8)}`;
  const dir = await cached({ ...options, name }, async ({ scratch, path }) => {
    const names = await dependencies(META_PACKAGE, options.signal);
    const concrete = names.find((candidate) => CONCRETE.test(candidate));
    if (concrete === undefined)
      throw new WrennError("internal", `${META_PACKAGE} depends on no kernel: ${names.join(", ")}`);
    const packages = await fetchPackages([concrete], options);
    await step(options, "unpack kernel", async () => {
      const files = join(scratch, "deb");
      for (const deb of packages) await unpack(deb, files, options.signal);
      await collect(files, join(scratch, "kernel"), options.signal);
      await publish(join(scratch, "kernel"), path);
    });
  });
  return {
    path: join(dir, "vmlinux"),
    release: await readFile(join(dir, "release"), "utf8"),
    modules: GUEST_MODULES.map((module) => join(dir, basename(module))),
  };
}

/** Takes what is needed out of an unpacked kernel package. */
async function collect(files: string, into: string, signal: AbortSignal | undefined): Promise<void> {
  await mkdir(into);
  const [release, ...others] = await readdir(join(files, "lib/modules"));
  if (release === undefined || others.length > 0)
    throw new WrennError("internal", "a kernel package holds one kernel");
  await unpackKernel({
    from: join(files, "boot", `vmlinuz-${release}`),
    to: join(files, "vmlinux"),
    signal,
  });
  await copyFile(join(files, "vmlinux"), join(into, "vmlinux"));
  for (const module of GUEST_MODULES) {
    await copyFile(join(files, "lib/modules", release, "kernel", module), join(into, basename(module)));
  }
  await writeFile(join(into, "release"), release);
}
