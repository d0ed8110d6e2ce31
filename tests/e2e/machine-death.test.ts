import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { borrowPlatform } from "./lent-platform.ts";
import type { Platform } from "./platform.ts";
import { pidsOf } from "./processes.ts";

describe("a sandbox whose machine dies", () => {
  let platform: Platform;
  before(async () => {
    platform = await borrowPlatform();
  });
  after(() => platform?.stop());

  /** A stopped sandbox that was paused with one word in its file, and whose machine died with another one flushed. */
  async function stopped(): Promise<string> {
    const { sandboxes } = platform.client;
    const { id } = await platform.sandbox();
    await write(id, "saved");
    await sandboxes.pause(id);
    await sandboxes.resume(id);
    return await diesWith(id, "newer");
  }

  async function write(id: string, word: string): Promise<void> {
    const args = ["-c", `echo ${word} > /home/user/word; sync`];
    await platform.client.sandboxes.exec(id, { cmd: "sh", args });
  }

  /** Its machine dies once that word is flushed. */
  async function diesWith(id: string, word: string): Promise<string> {
    await write(id, word);
    const machines = pidsOf((argv) => /qemu-system/.test(argv[0] ?? "") && argv.includes(id));
    assert.equal(machines.length, 1);
    for (const pid of machines) process.kill(pid, "SIGKILL");
    await stops(id, /virtual machine ended/);
    return id;
  }

  async function stops(id: string, why: RegExp): Promise<void> {
    const deadline = Date.now() + 45_000;
    for (;;) {
      const { status, error } = await platform.client.sandboxes.get(id);
      if (status === "stopped") {
        assert.match(error ?? "", why);
        return;
      }
      assert.ok(Date.now() < deadline, `still ${status}`);
      await delay(50);
    }
  }

  const word = async (id: string) =>
    (await platform.client.sandboxes.exec(id, { cmd: "cat", args: ["/home/user/word"] })).stdout.trim();

  it("boots from its disk as its guest had flushed it", async () => {
    const id = await stopped();
    const running = await platform.client.sandboxes.resume(id, { start: "cold" });
    assert.equal(running.status, "running");
    assert.equal(running.error, undefined);
    assert.equal(await word(id), "newer");
    await platform.client.sandboxes.pause(id);
    await platform.client.sandboxes.resume(id);
    assert.equal(await word(id), "newer");
  });

  it("goes on as a whole from its last generation", async () => {
    const id = await stopped();
    await platform.client.sandboxes.resume(id);
    assert.equal(await word(id), "saved");
  });

  it("does not go back to what it was made from: it boots from its disk", async () => {
    const { sandboxes, snapshots } = platform.client;
    const source = await platform.sandbox();
    await write(source.id, "theirs");
    await snapshots.create({ sandbox_id: source.id, name: "made-from" });
    const [fork] = await sandboxes.fork(source.id);
    const clone = await platform.sandbox({ template: "made-from" });
    for (const id of [fork?.id ?? "", clone.id]) {
      assert.equal(await word(id), "theirs");
      await diesWith(id, "own");
      await assert.rejects(sandboxes.resume(id), { code: "invalid_state", message: /"start":"cold"/ });
      await sandboxes.resume(id, { start: "cold" });
      assert.equal(await word(id), "own");
    }
    await snapshots.delete("made-from");
  });

  it("goes on from the first pause of a machine that was booted", async () => {
    const { sandboxes } = platform.client;
    const { id } = await platform.sandbox({ start: "cold" });
    await write(id, "saved");
    await sandboxes.pause(id);
    await sandboxes.resume(id);
    await diesWith(id, "newer");
    await sandboxes.resume(id);
    assert.equal(await word(id), "saved");
  });

  for (const start of ["cold", "clone"] as const) {
    it(`that its guest resets (${start}) has ended`, async () => {
      const { id } = await platform.sandbox({ start });
      const reset = "echo 1 > /proc/sys/kernel/sysrq; echo b > /proc/sysrq-trigger; sleep 30";
      const call = platform.client.sandboxes.exec(id, { cmd: "sh", args: ["-c", reset], user: "root" });
      await assert.rejects(call, { code: "guest_unreachable" });
      await stops(id, /the guest shut down/);
    });
  }

  it("leaves nothing once it is deleted", async () => {
    const id = await stopped();
    await platform.client.sandboxes.delete(id);
    await assert.rejects(platform.client.sandboxes.resume(id), { code: "invalid_state" });
  });
});
