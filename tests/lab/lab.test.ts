// All that runs in a lab, one after the other in one lab. What takes longer runs with WRENN_LONG.
import { after, before } from "node:test";
import { beginLab } from "./begin-lab.ts";

let endLab: (() => Promise<void>) | undefined;
before(async () => {
  endLab = await beginLab();
});
after(() => endLab?.());

const long = process.env["WRENN_LONG"] === "1";
if (long) await import("./crash.ts");
await import("./firecracker.ts");
await import("./kvm.ts");
if (long) await import("./lifecycle.ts");
await import("./rootfs.ts");
if (long) await import("./device-mapper.ts");
