// Control groups of version 2: one hierarchy for all controllers.
import { existsSync, mkdirSync } from "node:fs";
import { assertCgroupPath, type Cgroup, type Cgroups } from "./cgroup.ts";
import { childGroups, DirectoryGroup, writeControlFile } from "./directory-group.ts";
import { handDown } from "./hand-down.ts";
import { type CgroupLimits, v2Files } from "./limits.ts";

export class CgroupsV2 implements Cgroups {
  readonly version = 2;
  readonly #base: string;
  readonly #isRoot: boolean;

  /**
   * @param base directory below which all groups are made: the root of the hierarchy, or the group of
   *   a systemd service with `Delegate=yes`
   */
  constructor(base: string, { isRoot }: { isRoot: boolean }) {
    this.#base = base;
    this.#isRoot = isRoot;
  }

  create(path: string, limits: CgroupLimits): Cgroup {
    const group = this.open(path);
    const files = v2Files(limits);
    const directory = `${this.#base}/${path}`;
    mkdirSync(directory, { recursive: true });
    const controllers = new Set(files.map((file) => file.controller));
    handDown({ base: this.#base, isRoot: this.#isRoot, path, controllers: [...controllers] });
    for (const file of files) {
      const target = `${directory}/${file.name}`;
      if (!file.optional || existsSync(target)) writeControlFile(target, file.value);
    }
    return group;
  }

  open(path: string): Cgroup {
    assertCgroupPath(path);
    return new DirectoryGroup(path, [`${this.#base}/${path}`]);
  }

  list(path: string): string[] {
    assertCgroupPath(path);
    return childGroups(`${this.#base}/${path}`);
  }
}
