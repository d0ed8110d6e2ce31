// The port: control groups, whichever version the machine has.
import { WrennError } from "@wrenn/core";
import type { CgroupLimits } from "./limits.ts";

/** One group. Its path is relative to where the platform keeps its groups, e.g. `wrenn/7/sb-…`. */
export interface Cgroup {
  readonly path: string;
  /** Moves a process in. What it starts from then on is in the group as well. */
  add(pid: number): void;
  /** Ids of the processes in the group; empty when the group does not exist. */
  members(): number[];
  /** SIGKILL for every member, until there is none. Throws `deadline_exceeded` after 10 s. */
  kill(): Promise<void>;
  /** Removes the group, which must be empty. Already gone is success. */
  remove(): Promise<void>;
  /** Removes the group when nothing is in it, neither process nor group. */
  removeIfUnused(): void;
}

export interface Cgroups {
  readonly version: 1 | 2;
  /** Makes a group, and those above it. An existing one gets the limits. */
  create(path: string, limits: CgroupLimits): Cgroup;
  /** A group by its path, whether it exists or not. */
  open(path: string): Cgroup;
  /** Names of the groups directly below a path. */
  list(path: string): string[];
}

const PATH = /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/;

/** Throws `invalid_argument` unless every segment of the path is a plain name. */
export function assertCgroupPath(path: string): void {
  if (!PATH.test(path)) {
    throw new WrennError("invalid_argument", `${JSON.stringify(path)} cannot be the path of a control group`);
  }
}
