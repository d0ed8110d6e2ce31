import { describe, it } from "node:test";
import { runInside } from "./run-inside.ts";

/** What a sandbox's disk goes through without a death, and a disk that is lost; with WRENN_LONG the whole contract. */
const SHORT =
  "begin as the image|go on from what was frozen|frozen while they go on|refuse a layer|is told of";

describe("root file systems on the device mapper, in the lab", () => {
  it("keep their contract", (context) =>
    runInside(context, "tests/lab/inside/rootfs-dm.ts", {
      only: process.env["WRENN_LONG"] === "1" ? undefined : SHORT,
    }));
});
