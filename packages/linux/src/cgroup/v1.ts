// Control groups of version 1: a hierarchy per controller.
import { existsSync, mkdirSync } from "node:fs";
import { assertCgroupPath, type Cgroup, type Cgroups } from "./cgroup.ts";
import { childGroups, DirectoryGroup, writeControlFile } from "./directory-group.ts";
import { type CgroupLimits, type Controller, v1Files } from "./limits.ts";

export class CgroupsV1 implements Cgroups {
  readonly version = 1;
  readonly #mounts: Readonly<Record<Controller, string>>;

  /** @param mounts where each controller's hierarchy is mounted */
  constructor(mounts: Record<Controller, string>) {
    this.#mounts = mounts;
  }

  create(path: string, limits: CgroupLimits): Cgroup {
    const group = this.open(path);
    for (const directory of this.#directories(path)) mkdirSync(directory, { recursive: true });
    for (const file of v1Files(limits)) {
      const target = `${this.#mounts[file.controller]}/${path}/${file.name}`;
      if (!file.optional || existsSync(target)) writeControlFile(target, file.value);
    }
    return group;
  }

  open(path: string): Cgroup {
    assertCgroupPath(path);
    return new DirectoryGroup(path, this.#directories(path));
  }

  list(path: string): string[] {
    assertCgroupPath(path);
    return [...new Set(this.#directories(path).flatMap(childGroups))];
  }

  /** Controllers may be mounted together: each directory once. */
  #directories(path: string): string[] {
    return [...new Set(Object.values(this.#mounts))].map((mount) => `${mount}/${path}`);
  }
}
