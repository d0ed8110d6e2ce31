// The lab's second disk: this repository as it is now. Made anew for each lab; it takes a moment.
import { chmod, copyFile, cp, mkdir, readdir, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { run } from "@wrenn/linux";
import { bundle, UNBUNDLED } from "@wrenn/supervisor/bundle";
import { INSIDE, REPOSITORY } from "../layout.ts";

const TIMEOUT_MS = 120_000;

/** The host agent's bundle, below the disk's root. */
export const HOST_AGENT = "bin/host-agent.mjs";

export interface CodeOptions {
  /** Directory for the work; it is left as it is. */
  scratch: string;
  image: string;
  /** A Firecracker to take along. */
  firecracker: string | undefined;
  signal?: AbortSignal | undefined;
}

/** An erofs image with the bundles, and with the sources for what a bundle reads beside itself. */
export async function buildCode({ scratch, image, firecracker, signal }: CodeOptions): Promise<void> {
  await mkdir(join(scratch, "packages"), { recursive: true, mode: 0o755 });
  await bundle({
    root: REPOSITORY,
    place: INSIDE.code,
    entry: "packages/host-agent/src/main.ts",
    outfile: join(scratch, HOST_AGENT),
  });
  await cp(join(REPOSITORY, "packages"), join(scratch, "packages"), {
    recursive: true,
    filter: (path) => !path.includes("/node_modules") && !path.endsWith(".test.ts"),
  });
  for (const name of UNBUNDLED) {
    const from = join(REPOSITORY, "node_modules", name);
    const present = await stat(from).catch(() => undefined);
    if (present) await cp(from, join(scratch, "node_modules", name), { recursive: true });
  }
  // Threads start from the sources, which find each other's packages as they do here.
  await mkdir(join(scratch, "node_modules/@wrenn"), { recursive: true });
  for (const name of await readdir(join(scratch, "packages")))
    await symlink(`../../packages/${name}`, join(scratch, "node_modules/@wrenn", name));
  if (firecracker !== undefined) {
    const to = join(scratch, INSIDE.firecracker.slice(INSIDE.code.length));
    await copyFile(firecracker, to);
    await chmod(to, 0o755);
  }
  await run(["mkfs.erofs", "--quiet", "--all-root", image, scratch], { timeoutMs: TIMEOUT_MS, signal });
}
