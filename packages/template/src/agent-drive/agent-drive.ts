// The read-only drive that every guest gets beside its root file system: the agent and all that it needs to run.
import { chmod, copyFile, cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { run } from "@wrenn/linux";
import { cached } from "../cache/cached.ts";
import { fileSha256, partsSha256 } from "../cache/hash.ts";
import { publish } from "../cache/publish.ts";
import { type DebianPackage, unpack } from "../debian/packages.ts";
import { type BuildOptions, step } from "../progress.ts";
import { assertSelfContained, copyLibraries, LIBRARIES } from "./libraries.ts";

/** Programs and the packages that have them. `resize2fs` is for `/init`: the guest's own may be missing. */
const PROGRAMS = {
  tini: { package: "tini", path: "usr/bin/tini-static" },
  resize2fs: { package: "e2fsprogs", path: "sbin/resize2fs" },
} as const;

/** Debian packages that the drive is made of. */
export const AGENT_DRIVE_PACKAGES: readonly string[] = [
  ...Object.values(PROGRAMS).map((program) => program.package),
  ...Object.keys(LIBRARIES),
];

/** The file system's UUID. Nothing looks for it; it is fixed so that the same content gives the same bytes. */
const UUID = "77726e6e-6167-4e74-8000-647269766500";

/** How the agent is made where the drive is not there yet. */
export interface AgentSource {
  /** Names what `compile` makes: the same key is the same bytes. */
  key: string;
  /** Makes the agent in a directory. */
  compile(dir: string): Promise<Agent>;
}

/** What the agent is made of. */
export interface Agent {
  /** Path of the executable. */
  executable: string;
  /** Directory of the programs that it runs in guests. */
  kernels: string;
}

/**
 * Path of an erofs image: `envd`, `kernels/`, `tini`, `resize2fs` and `lib/`. Not compressed: the agent's pages then come straight
 * from the host's page cache, and starting it costs the guest no unpacking. Same inputs give the same bytes.
 */
export async function buildAgentDrive(
  source: AgentSource,
  packages: readonly DebianPackage[],
  options: BuildOptions,
): Promise<string> {
  const hashes = await Promise.all(packages.map(({ path }) => fileSha256(path, options.signal)));
  const key = partsSha256([JSON.stringify([PROGRAMS, LIBRARIES, UUID]), source.key, ...hashes]);
  return await cached({ ...options, name: `agent-drive/${key}.erofs` }, async ({ scratch, path }) => {
    const agent = await source.compile(scratch);
    await step(options, "make agent drive", async () => {
      const unpacked = (name: string) => join(scratch, "packages", name);
      for (const deb of packages) {
        await mkdir(unpacked(deb.name), { recursive: true });
        await unpack(deb, unpacked(deb.name), options.signal);
      }
      const root = join(scratch, "root");
      await layOut({ root, agent, unpacked, signal: options.signal });
      const image = join(scratch, "agent.erofs");
      await run(["mkfs.erofs", "--quiet", "--all-root", "-T0", `-U${UUID}`, "-x-1", image, root], {
        timeoutMs: 120_000,
        signal: options.signal,
      });
      await publish(image, path);
    });
  });
}

async function layOut(content: {
  root: string;
  agent: Agent;
  unpacked: (name: string) => string;
  signal: AbortSignal | undefined;
}): Promise<void> {
  const { root, agent, unpacked, signal } = content;
  const lib = join(root, "lib");
  await mkdir(lib, { recursive: true, mode: 0o755 });
  await copyFile(agent.executable, join(root, "envd"));
  await cp(agent.kernels, join(root, "kernels"), { recursive: true });
  for (const [name, program] of Object.entries(PROGRAMS)) {
    await copyFile(join(unpacked(program.package), program.path), join(root, name));
  }
  await copyLibraries(unpacked, lib);
  for (const name of ["envd", ...Object.keys(PROGRAMS)]) await chmod(join(root, name), 0o755);
  for (const name of ["envd", "resize2fs"]) await assertSelfContained(join(root, name), lib, signal);
}
