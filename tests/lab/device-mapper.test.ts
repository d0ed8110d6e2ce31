import { it } from "node:test";
import { runInside } from "./run-inside.ts";

it("snapshots of the device mapper, in the lab", (context) =>
  runInside(context, "tests/lab/inside/device-mapper.ts"));
