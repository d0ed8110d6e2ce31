import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { prepareBoot } from "@wrenn/template";
import { describeHost } from "../../lab/guest/host-agent.ts";
import { LabGuest } from "../../lab/guest/lab-guest.ts";
import { INSIDE } from "../../lab/layout.ts";
import { makeInitramfs } from "../vmm/guest.ts";
import { labOfSuite } from "./platform.ts";
import { runInside } from "./run-inside.ts";

describe("Firecracker, in the lab", () => {
  it("runs the host agent's guests where it is there, and the driver's own tests; else QEMU does", async (context) => {
    const lab = await labOfSuite();
    using guest = new LabGuest(lab);
    const isThere = (await guest.attempt(["test", "-f", INSIDE.firecracker])).exitCode === 0;
    const { vmm } = await describeHost(lab);
    if (!isThere) {
      assert.match(vmm, /^qemu /);
      context.diagnostic("no FIRECRACKER_BIN: the driver is tested against a stand-in only");
      return;
    }
    context.diagnostic(vmm);
    assert.match(vmm, /^firecracker /);
    const dir = await mkdtemp(join(tmpdir(), "wrenn-fc-lab-"));
    try {
      const boot = await prepareBoot({ cacheDir: process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn" });
      const initramfs = await makeInitramfs(boot.initramfs, dir);
      await runInside(context, "tests/lab/inside/firecracker.ts", { "checking-initramfs": initramfs });
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
