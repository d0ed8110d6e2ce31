// Version 2 gives a group the controllers that each group above it has enabled for those below.
import { mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { WrennError } from "@wrenn/core";
import type { Cgroup } from "./cgroup.ts";
import { DirectoryGroup, readProcs, writeControlFile } from "./directory-group.ts";

/** Where the processes of a delegated subtree go, see {@link handDown}. */
export const PLATFORM_LEAF = "platform";

export interface HandDown {
  /** Directory below which the platform keeps its groups. */
  base: string;
  /** Whether that is the root of the hierarchy. */
  isRoot: boolean;
  /** The group that needs the controllers, relative to the base. */
  path: string;
  controllers: readonly string[];
}

/**
 * Enables controllers in every group above a path, from the base downwards. Only the root may hold
 * processes beside groups with controllers ("no internal processes", cgroups(7)), so in a delegated
 * subtree the platform's own processes move to a leaf first.
 *
 * Throws `unavailable` when the base does not have a controller.
 */
export function handDown({ base, isRoot, path, controllers }: HandDown): void {
  const above = [base];
  const parent = dirname(path);
  if (parent !== ".") for (const name of parent.split("/")) above.push(`${above.at(-1)}/${name}`);
  for (const directory of above) {
    const enabled = words(`${directory}/cgroup.subtree_control`);
    const missing = controllers.filter((controller) => !enabled.includes(controller));
    if (missing.length === 0) continue;
    assertAvailable(directory, missing);
    if (directory === base && !isRoot) vacate(base);
    writeControlFile(`${directory}/cgroup.subtree_control`, missing.map((name) => `+${name}`).join(" "));
  }
}

function assertAvailable(directory: string, controllers: readonly string[]): void {
  const available = words(`${directory}/cgroup.controllers`);
  const absent = controllers.filter((controller) => !available.includes(controller));
  if (absent.length > 0) {
    throw new WrennError(
      "unavailable",
      `cgroup ${directory} has no controller ${absent.join(", ")}; run as root, or as a systemd service with Delegate=yes`,
    );
  }
}

function vacate(base: string): void {
  const leaf = new DirectoryGroup(PLATFORM_LEAF, [`${base}/${PLATFORM_LEAF}`]);
  mkdirSync(`${base}/${PLATFORM_LEAF}`, { recursive: true });
  // Again as long as some were forked meanwhile; one that ended meanwhile is not there the next time.
  for (let pids = readProcs(base); pids.length > 0; pids = readProcs(base)) {
    for (const pid of pids) moveIfAlive(leaf, pid);
  }
}

function moveIfAlive(group: Cgroup, pid: number): void {
  try {
    group.add(pid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function words(file: string): string[] {
  return readFileSync(file, "latin1").split(/\s+/).filter(Boolean);
}
