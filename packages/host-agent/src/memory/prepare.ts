// Making this host ready for memory that arrives while its machine runs, where that is wanted.
import { existsSync } from "node:fs";
import type { Scope } from "@wrenn/core";
import { allowUserfaults, mayUseUserfaults, withdrawUserfaults } from "@wrenn/linux";
import type { Vmm } from "@wrenn/vmm";
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import type { MemorySetting } from "./choose-memory.ts";
import { type WorkingSetRecords, WorkingSets } from "./working-sets.ts";

export interface LazyMemory {
  setting: MemorySetting;
  /** Whether VMMs of this host may receive memory while they run. */
  works: boolean;
  /** What comes first. */
  workingSets: WorkingSets;
}

/** Only where the setting forces it is the kernel's permission changed; the scope gives it back. */
export async function prepareLazyMemory(
  { memory: setting, block }: Pick<Config, "memory" | "block">,
  {
    vmm,
    snapshots,
    scope,
    log,
  }: { vmm: Pick<Vmm, "name">; snapshots: WorkingSetRecords; scope: Scope; log: Logger },
): Promise<LazyMemory> {
  const workingSets = new WorkingSets(snapshots);
  if (vmm.name === "firecracker") {
    // It opens a device node of its own, so nothing of the host has to be changed.
    const works = existsSync("/dev/userfaultfd");
    if (works || setting !== "lazy") return { setting, works, workingSets };
    log.warn("there is no /dev/userfaultfd, so memory cannot arrive lazily: it is shared");
    return { setting: "shared", works, workingSets };
  }
  if (setting === "lazy") {
    if (!mayUseUserfaults())
      log.warn("userfaultfd is allowed to programs without privileges while this runs");
    await scope.take(
      "permission to use userfaultfd",
      () => allowUserfaults(block),
      () => withdrawUserfaults(block),
    );
  }
  return { setting, works: mayUseUserfaults(), workingSets };
}
