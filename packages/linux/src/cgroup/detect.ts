// Which version of control groups this machine uses, and where.
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { WrennError } from "@wrenn/core";
import type { Cgroups } from "./cgroup.ts";
import { PLATFORM_LEAF } from "./hand-down.ts";
import type { Controller } from "./limits.ts";
import { CgroupsV1 } from "./v1.ts";
import { CgroupsV2 } from "./v2.ts";

export type CgroupLayout =
  | { version: 1; mounts: Record<Controller, string> }
  | { version: 2; base: string; isRoot: boolean };

/** The control groups of this machine. Throws `unavailable` when it has none that serve. */
export function detectCgroups(): Cgroups {
  const layout = cgroupLayout(
    readFileSync("/proc/self/mountinfo", "utf8"),
    readFileSync("/proc/self/cgroup", "utf8"),
  );
  return layout.version === 1
    ? new CgroupsV1(layout.mounts)
    : new CgroupsV2(layout.base, { isRoot: layout.isRoot });
}

/**
 * Reads `/proc/PID/mountinfo` (proc(5)) and `/proc/PID/cgroup` (cgroups(7)). Version 1 when it has
 * memory, cpu and pids: version 2 may then be mounted too, but without them. With version 2, a process
 * in the group of a systemd service keeps to that subtree, which systemd leaves alone when it is
 * delegated; any other process (a shell, a container's entry) uses the root of the hierarchy.
 */
export function cgroupLayout(mountinfo: string, selfCgroup: string): CgroupLayout {
  const mounts: Partial<Record<string, string>> = {};
  let unified: string | undefined;
  for (const line of mountinfo.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const mountPoint = before.split(" ")[4];
    const [type, , options = ""] = after.split(" ");
    if (mountPoint === undefined) continue;
    if (type === "cgroup2") unified ??= mountPoint;
    if (type === "cgroup") for (const option of options.split(",")) mounts[option] ??= mountPoint;
  }
  const { memory, cpu, pids } = mounts;
  if (memory && cpu && pids) return { version: 1, mounts: { memory, cpu, pids } };
  if (!unified) {
    throw new WrennError(
      "unavailable",
      "control groups are not mounted (memory, cpu, pids); mount cgroup2 on /sys/fs/cgroup",
    );
  }
  const service = serviceGroup(selfCgroup);
  return { version: 2, base: `${unified}${service ?? ""}`, isRoot: service === undefined };
}

/** The group of the systemd service that this process is part of, also from the leaf it was moved to. */
function serviceGroup(selfCgroup: string): string | undefined {
  const own = /^0::(.*)$/m.exec(selfCgroup)?.[1];
  if (own === undefined) return undefined;
  const group = own.endsWith(`.service/${PLATFORM_LEAF}`) ? dirname(own) : own;
  return group.endsWith(".service") ? group : undefined;
}
