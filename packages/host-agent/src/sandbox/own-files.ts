// The files of a sandbox's disk that are its alone: what it writes to, and what a dead machine's life left of it.
import { join } from "node:path";
import type { RootfsStore } from "../rootfs/rootfs-store.ts";
import { lifeDir, type SandboxRecord, sandboxDir } from "./record.ts";

/** Their paths. One that was named ahead of its making need not be there; two may be names of one file. */
export function ownFiles(
  { rootfs, dataDir }: { rootfs: Pick<RootfsStore, "path">; dataDir: string },
  { id, life, kept }: SandboxRecord,
): string[] {
  const tops = life?.tops.map((top) => rootfs.path({ dir: lifeDir(dataDir, id, life.number) }, top)) ?? [];
  return [...tops, ...kept.map((name) => join(sandboxDir(dataDir, id), name))];
}
