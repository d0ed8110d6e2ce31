import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { MIB } from "@wrenn/core";
import type { WrennClient } from "@wrenn/sdk";
import { prepareBoot } from "@wrenn/template";
import { describeHost, startHostAgent, stopHostAgent } from "../../lab/guest/host-agent.ts";
import { LabGuest } from "../../lab/guest/lab-guest.ts";
import { INSIDE } from "../../lab/layout.ts";
import { makeInitramfs } from "../vmm/guest.ts";
import { type LabPlatform, labOfSuite, labPlatform } from "./platform.ts";
import { runInside } from "./run-inside.ts";

/** So little that the lab, with other work beside it, is quicker by far without the bound. */
const BYTES_PER_SEC = 128 * 1024;
const TRANSFERRED = MIB;

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
      await runInside(context, "tests/lab/inside/firecracker.ts", {
        files: { "checking-initramfs": initramfs },
      });
    } finally {
      await rm(dir, { recursive: true });
    }
    await using platform = await labPlatform();
    await boundsTheNetwork(platform, (text) => context.diagnostic(text));
  });
});

/** What a sandbox sends and receives is bounded, from its load on; and no longer after a load on a host without bounds. */
async function boundsTheNetwork(platform: LabPlatform, say: (text: string) => void): Promise<void> {
  const { client } = platform;
  await restart(platform, { WRENN_NET_BYTES_PER_SEC: String(BYTES_PER_SEC) });
  const { id } = await platform.sandbox();
  const bounded = await transfer(client, id);
  await client.sandboxes.pause(id);
  await restart(platform, {});
  await client.sandboxes.resume(id);
  const free = await transfer(client, id);
  await client.sandboxes.delete(id);
  for (const way of ["in", "out"] as const) {
    say(`1 MiB ${way}: ${bounded[way]} ms at ${BYTES_PER_SEC / 1024} KiB/s, ${free[way]} ms without a bound`);
    // What fits into the bucket and the machine's own buffers is not waited for.
    assert.ok(bounded[way] > (700 * TRANSFERRED) / BYTES_PER_SEC, `${way} is not bounded`);
    assert.ok(free[way] < bounded[way] / 2, `${way} is still bounded`);
  }
}

/** Milliseconds for a file's way in and out, `TRANSFERRED` bytes each. */
async function transfer(client: WrennClient, id: string): Promise<{ in: number; out: number }> {
  const content = Buffer.alloc(TRANSFERRED, "content");
  const began = performance.now();
  await client.files.write(id, "/home/user/transferred", content);
  const written = performance.now();
  assert.ok(content.equals(await client.files.read(id, "/home/user/transferred")));
  return { in: Math.round(written - began), out: Math.round(performance.now() - written) };
}

/** The host agent anew, with further settings. */
async function restart({ lab, guest }: LabPlatform, settings: Record<string, string>): Promise<void> {
  const pid = Number(await guest.run(["pgrep", "--full", "^wrenn-host-agent"]));
  await stopHostAgent(guest, pid);
  await startHostAgent(lab, guest, settings);
}
