// The initramfs: busybox, the modules, and the script that mounts the real root.
import { copyFile, lutimes, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { run } from "@wrenn/linux";
import { cached } from "../cache/cached.ts";
import { fileSha256, partsSha256 } from "../cache/hash.ts";
import { publish } from "../cache/publish.ts";
import { walk } from "../cache/walk.ts";
import { type DebianPackage, unpack } from "../debian/packages.ts";
import type { GuestKernel } from "../kernel/kernel.ts";
import { type BuildOptions, step } from "../progress.ts";

const INIT_SCRIPT = new URL("../guest/init", import.meta.url);

/** Programs that the init script calls; the rest of busybox is not reachable. */
export const APPLETS: readonly string[] = [
  "cp",
  "ifconfig",
  "insmod",
  "mkdir",
  "mount",
  "od",
  "reboot",
  "rm",
  "route",
  "switch_root",
];

/** Links that devtmpfs lacks and that shells rely on; `/init` copies them into the guest's /dev. */
const DEV_LINKS = {
  fd: "/proc/self/fd",
  stdin: "/proc/self/fd/0",
  stdout: "/proc/self/fd/1",
  stderr: "/proc/self/fd/2",
};

/** Debian packages that the initramfs is made of, besides the kernel's. */
export const INITRAMFS_PACKAGES: readonly string[] = ["busybox-static"];

/**
 * Path of a cpio archive (newc) for `-initrd`. Not compressed: it has 3 MB, and unpacking gzip under emulation takes
 * longer than reading them. Same inputs give the same bytes.
 */
export async function buildInitramfs(
  kernel: GuestKernel,
  packages: readonly DebianPackage[],
  options: BuildOptions,
): Promise<string> {
  const init = await readFile(INIT_SCRIPT);
  const inputs = await Promise.all(
    [...packages.map((deb) => deb.path), ...kernel.modules].map((path) => fileSha256(path, options.signal)),
  );
  const key = partsSha256([init, JSON.stringify([DEV_LINKS, APPLETS]), ...inputs]);
  return await cached({ ...options, name: `initramfs/${key}.cpio` }, ({ scratch, path }) =>
    step(options, "pack initramfs", async () => {
      const root = join(scratch, "root");
      for (const deb of packages) await unpack(deb, join(scratch, "packages"), options.signal);
      await layOut({ root, busybox: join(scratch, "packages/bin/busybox"), init, modules: kernel.modules });
      await pack(root, join(scratch, "initramfs.cpio"), options.signal);
      await publish(join(scratch, "initramfs.cpio"), path);
    }),
  );
}

async function layOut(content: {
  root: string;
  busybox: string;
  init: Buffer;
  modules: string[];
}): Promise<void> {
  const { root, busybox, init, modules } = content;
  for (const dir of ["bin", "dev", "dev-links", "modules", "newroot"]) {
    await mkdir(join(root, dir), { recursive: true, mode: 0o755 });
  }
  await copyFile(busybox, join(root, "bin/busybox"));
  for (const applet of APPLETS) await symlink("busybox", join(root, "bin", applet));
  await writeFile(join(root, "init"), init, { mode: 0o755 });
  for (const module of modules) await copyFile(module, join(root, "modules", basename(module)));
  await writeFile(join(root, "modules/order"), modules.map((module) => `${basename(module)}\n`).join(""));
  // What is mounted on the new root serves the initramfs too.
  await symlink("newroot/proc", join(root, "proc"));
  await symlink("newroot/sys", join(root, "sys"));
  for (const [name, target] of Object.entries(DEV_LINKS))
    await symlink(target, join(root, "dev-links", name));
}

/** Archives a tree in a fixed order, with time 0, owner 0, and inode numbers of the archive's own. */
async function pack(root: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  const names = (await walk(root)).map((entry) => entry.path);
  for (const name of names) await lutimes(join(root, name), 0, 0);
  await run(["cpio", "--quiet", "-o", "-H", "newc", "--reproducible", "-R", "0:0", "-O", to], {
    timeoutMs: 60_000,
    cwd: root,
    input: `${names.join("\n")}\n`,
    env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C" },
    signal,
  });
}
