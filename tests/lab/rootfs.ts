import { describe, it } from "node:test";
import { runInside } from "./run-inside.ts";

describe("root file systems on the device mapper, in the lab", () => {
  it("keep their contract", (context) => runInside(context, "tests/lab/inside/rootfs-dm.ts"));
});
