// Which way of keeping disks a host uses: device mapper where it works, unless one is asked for.
import { glob } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { planBlock, tryDeviceMapper } from "@wrenn/linux";
import type { Logger } from "pino";
import { DmRootfsStore } from "./dm.ts";
import { Qcow2RootfsStore } from "./qcow2.ts";
import type { RootfsStore } from "./rootfs-store.ts";

export interface ChooseRootfs {
  setting: "auto" | "qcow2" | "dm";
  block: number;
  dataDir: string;
  /** For the qcow2 store. */
  blankDir: string;
  log: Logger;
}

/**
 * Tries the device mapper unless qcow2 is asked for. Throws `unavailable` when it is asked for and does not work; and when
 * the disks of lives that an earlier agent began are kept in the other way, whose files this one would not find.
 */
export async function chooseRootfs(options: ChooseRootfs): Promise<RootfsStore> {
  const { setting, block, dataDir, blankDir, log } = options;
  const kept = await keptAs(dataDir);
  if (setting !== "auto" && kept !== undefined && kept !== setting) {
    throw new WrennError(
      "unavailable",
      `WRENN_ROOTFS is ${setting}, and sandboxes in ${dataDir} have disks that are kept as ${kept}: ` +
        `start with WRENN_ROOTFS=${kept}, and pause or delete them first`,
    );
  }
  if (setting === "qcow2" || kept === "qcow2") return new Qcow2RootfsStore(blankDir);
  const prefix = planBlock(block).devicePrefix;
  const reason = await tryDeviceMapper({ prefix, directory: dataDir });
  if (reason === undefined) return await DmRootfsStore.open({ prefix, dataDir });
  if (setting === "dm") {
    throw new WrennError("unavailable", `WRENN_ROOTFS is dm, and the device mapper does not work: ${reason}`);
  }
  if (kept === "dm") {
    throw new WrennError(
      "unavailable",
      `sandboxes in ${dataDir} have disks on the device mapper, and it does not work now: ${reason}`,
    );
  }
  log.info({ reason }, "no device mapper here: disks are qcow2 files");
  return new Qcow2RootfsStore(blankDir);
}

/** How the disks of lives that are not over are kept; undefined when there is none. */
async function keptAs(dataDir: string): Promise<RootfsStore["name"] | undefined> {
  for await (const _ of glob(join(dataDir, "sandboxes/*/vm-*.disk"))) return "dm";
  for await (const _ of glob(join(dataDir, "sandboxes/*/vm-*/root-*"))) return "qcow2";
  return undefined;
}
