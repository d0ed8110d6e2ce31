import { join } from "node:path";
import { Qcow2RootfsStore } from "../../packages/host-agent/src/rootfs/qcow2.ts";
import { rootfsContract } from "./rootfs.ts";

rootfsContract({
  name: "qcow2",
  open: async (dataDir) => new Qcow2RootfsStore(join(dataDir, "blank")),
  held: async () => [],
});
