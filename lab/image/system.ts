// The lab's root file system: a Debian with what a host of the platform needs, and the kernel's modules.
import { type BuildOptions, buildRootfs } from "@wrenn/template";

/** As in deploy/debian-packages.txt, without the database and without what only builds of images need. */
export const SYSTEM_PACKAGES: readonly string[] = [
  "bash",
  "bubblewrap",
  "ca-certificates",
  "dmsetup",
  "e2fsprogs",
  "iproute2",
  "kmod",
  "nftables",
  "procps",
  "qemu-system-x86",
  "qemu-utils",
  "util-linux",
];

/** `MiB`; what the lab writes besides goes to its store. */
const DISK_MB = 2048;

/**
 * Path of the image. Its modules must be those of the kernel that the lab boots, so the package of that very kernel is
 * installed into it.
 */
export async function buildSystem(options: BuildOptions & { kernelVersion: string }): Promise<string> {
  const { kernelVersion, ...build } = options;
  const packages = [...SYSTEM_PACKAGES, `linux-image-${kernelVersion}`].sort();
  const image = await buildRootfs({
    ...build,
    recipe: {
      name: "lab",
      suite: "bookworm",
      packages,
      user: null,
      code_interpreter: null,
      disk_mb: DISK_MB,
    },
  });
  return image.path;
}
