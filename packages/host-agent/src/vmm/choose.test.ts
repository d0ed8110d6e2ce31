import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Cgroups } from "@wrenn/linux";
import pino from "pino";
import { readConfig } from "../config.ts";
import { chooseVmm } from "./choose.ts";

describe("chooseVmm()", () => {
  const base = { WRENN_DATA_DIR: "/d", WRENN_BLOCK: "3", WRENN_SOCKET: "/s", WRENN_VMM: "firecracker" };
  const cgroups = {
    version: 2,
    create: () => assert.fail("nothing is started"),
    open: () => assert.fail("nothing is started"),
    list: () => [],
  } as const satisfies Cgroups;
  const choose = (env: NodeJS.ProcessEnv, disks: "dm" | "qcow2") =>
    chooseVmm({
      config: readConfig({ ...base, ...env }),
      cgroups,
      guest: { kernel: "/k", initramfs: "/i" },
      disks,
      log: pino({ level: "silent" }),
    });

  it("says why Firecracker cannot be, where it is asked for, before anything is started", async () => {
    const cases: [NodeJS.ProcessEnv, "dm" | "qcow2", RegExp][] = [
      [{ FIRECRACKER_BIN: "/nowhere" }, "qcow2", /device mapper is not used here/],
      [{ FIRECRACKER_BIN: "/nowhere" }, "dm", /there is no Firecracker at \/nowhere/],
      [{ FIRECRACKER_BIN: "/bin/true" }, "dm", /printed no version/],
    ];
    for (const [env, disks, message] of cases)
      await assert.rejects(choose(env, disks), { code: "unavailable", message });
  });
});
