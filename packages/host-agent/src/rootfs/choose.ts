// Which way of keeping disks a host uses: device mapper where it works, unless one is asked for.
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

/** Tries the device mapper unless qcow2 is asked for. Throws `unavailable` when it is asked for and does not work. */
export async function chooseRootfs(options: ChooseRootfs): Promise<RootfsStore> {
  const { setting, block, dataDir, blankDir, log } = options;
  if (setting === "qcow2") return new Qcow2RootfsStore(blankDir);
  const prefix = planBlock(block).devicePrefix;
  const reason = await tryDeviceMapper({ prefix, directory: dataDir });
  if (reason === undefined) return await DmRootfsStore.open({ prefix, dataDir });
  if (setting === "dm") {
    throw new WrennError("unavailable", `WRENN_ROOTFS is dm, and the device mapper does not work: ${reason}`);
  }
  log.info({ reason }, "no device mapper here: disks are qcow2 files");
  return new Qcow2RootfsStore(blankDir);
}
