// Runs inside a lab (device-mapper.test.ts): the contract of root file systems on the device mapper.
import { listDevices, loopsBelow } from "@wrenn/linux";
import { DmRootfsStore } from "../../../packages/host-agent/src/rootfs/dm.ts";
import { rootfsContract } from "../../contract/rootfs.ts";

const PREFIX = "wrenn-254-";

rootfsContract({
  name: "dm",
  open: (dataDir) => DmRootfsStore.open({ prefix: PREFIX, dataDir }),
  held: async (dataDir) => [
    ...(await listDevices(PREFIX)),
    ...loopsBelow(dataDir)
      .map(({ file }) => file)
      .sort(),
  ],
});
