import { describe, it } from "node:test";
import { runInside } from "./run-inside.ts";

describe("the device mapper, in the lab", () => {
  it("snapshots", (context) => runInside(context, "tests/lab/inside/device-mapper.ts"));
});
