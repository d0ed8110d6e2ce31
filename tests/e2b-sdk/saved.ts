// E2B's unmodified client on real sandboxes: paused, continued, copied.
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Sandbox } from "e2b";
import type { E2bPlatform } from "./platform.ts";

export function savedTests(platform: () => E2bPlatform): void {
  describe("E2B's client and saved sandboxes", () => {
    let e2b: E2bPlatform;
    before(() => {
      e2b = platform();
    });

    it("pauses and goes on: processes, files and the token are as they were", async () => {
      const sandbox = await e2b.sandbox();
      const counter = await sandbox.commands.run(
        "i=0; while true; do i=$((i+1)); echo $i > count; sleep 0.2; done",
        {
          background: true,
        },
      );
      await sandbox.files.write("kept", "here");
      assert.equal(await sandbox.pause(), true);
      assert.equal(await sandbox.isRunning(), false);
      const again = await Sandbox.connect(sandbox.sandboxId, { ...e2b.options, timeoutMs: 600_000 });
      assert.equal(await again.files.read("kept"), "here");
      assert.ok((await again.commands.list()).some(({ pid }) => pid === counter.pid));
      const before = Number(await again.files.read("count"));
      const { stdout } = await again.commands.run("sleep 2; cat count");
      assert.ok(Number(stdout) > before, `${stdout} after ${before}`);
      const seconds = Number((await again.commands.run("date +%s")).stdout);
      assert.ok(Math.abs(seconds - Date.now() / 1000) < 5, "the clock is right");
      assert.equal((await sandbox.commands.run("echo old client")).stdout, "old client\n");
      await again.kill();
    });

    it("is woken by traffic where that was asked for", async () => {
      const sandbox = await e2b.sandbox({ lifecycle: { onTimeout: "pause", autoResume: true } });
      await sandbox.commands.run("python3 -m http.server 8123 --directory /etc", { background: true });
      const fetched = async () => (await e2b.fetchFrom(sandbox, 8123, "/hostname")).status;
      while ((await fetched()) === 502) await delay(50);
      assert.equal(await sandbox.pause(), true);
      assert.equal(await fetched(), 200);
      assert.equal((await sandbox.getInfo()).state, "running");
      await sandbox.kill();
    });

    it("takes a snapshot while it runs, and makes sandboxes from it that differ in chance", async () => {
      const sandbox = await e2b.sandbox();
      await sandbox.files.write("state", "saved");
      const snapshot = await sandbox.createSnapshot();
      await sandbox.files.write("state", "changed");
      const clones = [
        await e2b.sandbox({ template: snapshot.snapshotId }),
        await e2b.sandbox({ template: snapshot.snapshotId }),
      ];
      const chances = await Promise.all(
        clones.map(async (clone) => {
          assert.equal(await clone.files.read("state"), "saved");
          return (await clone.commands.run("head -c 16 /dev/urandom | base64; cat /proc/sys/kernel/hostname"))
            .stdout;
        }),
      );
      assert.notEqual(chances[0], chances[1]);
      await Promise.all([sandbox, ...clones].map((each) => each.kill()));
      assert.equal(await Sandbox.deleteSnapshot(snapshot.snapshotId, e2b.options), true);
    });

    it("forks a running sandbox", async () => {
      const sandbox = await e2b.sandbox();
      await sandbox.files.write("common", "ground");
      const forks = await sandbox.fork({ count: 2 });
      for (const fork of forks) {
        assert.ok(fork instanceof Sandbox, String(fork));
        assert.equal(await fork.files.read("common"), "ground");
        assert.equal(await fork.kill(), true);
      }
      assert.equal(forks.length, 2);
      assert.equal((await sandbox.commands.run("echo goes on")).stdout, "goes on\n");
      await sandbox.kill();
    });
  });
}
