// All that runs in a lab, one after the other in one lab. What takes longer runs with WRENN_LONG.
import { after, before } from "node:test";
import { beginLab } from "./begin-lab.ts";

let endLab: (() => Promise<void>) | undefined;
before(async () => {
  endLab = await beginLab();
});
after(() => endLab?.());

await import("./crash.ts");
await import("./firecracker.ts");
await import("./kvm.ts");
await import("./lifecycle.ts");
await import("./rootfs.ts");
if (process.env["WRENN_LONG"] === "1") await import("./device-mapper.ts");
