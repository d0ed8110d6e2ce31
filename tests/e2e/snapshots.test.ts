// Pause, resume, fork, snapshots and restore on real machines: what runs inside loses nothing.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { WrennApiError, WrennClient } from "@wrenn/sdk";
import { type Platform, startPlatform } from "./platform.ts";
import { pidsOf } from "./processes.ts";
import { untilStatus } from "./until-status.ts";
import { askWitness, assertDistinct, assertWentOn, sh, startWitness } from "./witness.ts";

let platform: Platform;
let client: WrennClient;
before(async () => {
  platform = await startPlatform({ WRENN_MAX_RUNNING: "5" });
  client = platform.client;
});
after(() => platform?.stop());

const LASTING = { timeout_sec: 0 } as const;

/** Runs a test with a sandbox of its own, and deletes that. */
async function withSandbox(work: (id: string) => Promise<void>, more: object = {}): Promise<void> {
  const { id } = await platform.sandbox({ ...LASTING, ...more });
  try {
    await work(id);
  } finally {
    await client.sandboxes.delete(id);
  }
}

const machinesOf = (id: string) =>
  pidsOf((argv) => /qemu-system/.test(argv[0] ?? "") && argv.some((arg) => arg.includes(id)));

const refusedWith = (code: string) => (error: unknown) =>
  error instanceof WrennApiError && error.code === code;

describe("pause and resume", () => {
  it("keep processes, memory and files, over and over", () =>
    withSandbox(async (id) => {
      const first = await startWitness(client, id);
      const content = randomBytes(3 << 20);
      await client.files.write(id, "/home/user/data", content);
      let last = first;
      for (let round = 1; round <= 3; round++) {
        assert.equal(machinesOf(id).length, 1);
        const paused = await client.sandboxes.pause(id);
        assert.deepEqual([paused.status, paused.host_ip], ["paused", undefined]);
        assert.deepEqual(machinesOf(id), [], "no process and no memory is left");
        const running = await client.sandboxes.resume(id);
        assert.equal(running.status, "running");
        assert.ok(running.host_ip);
        const now = await askWitness(client, id);
        assertWentOn(last, now, `after ${round} pauses`);
        last = now;
        await sh(client, id, `echo ${round} >> /home/user/log`);
      }
      assert.ok(Buffer.from(await client.files.read(id, "/home/user/data")).equals(content));
      assert.equal(await sh(client, id, "cat /home/user/log"), "1\n2\n3");
    }));

  it("the clock is right afterwards", () =>
    withSandbox(async (id) => {
      await client.sandboxes.pause(id);
      await new Promise((resolve) => setTimeout(resolve, 2000));
      await client.sandboxes.resume(id);
      const earliest = Date.now();
      const inside = Number(await sh(client, id, "date +%s%3N"));
      const latest = Date.now();
      assert.ok(inside > earliest - 500 && inside < latest + 500, `${earliest} ≤ ${inside} ≤ ${latest}`);
    }));

  it("a cold resume boots from the saved disk: files are there, processes are not", () =>
    withSandbox(async (id) => {
      await startWitness(client, id);
      await sh(client, id, "echo kept > /home/user/kept");
      await client.sandboxes.pause(id);
      await client.sandboxes.resume(id, { start: "cold" });
      assert.equal(await sh(client, id, "cat /home/user/kept"), "kept");
      assert.equal(
        await sh(client, id, "kill -0 $(cat /tmp/pid) 2>/dev/null && echo alive || echo gone"),
        "gone",
      );
    }));

  it("statuses that do not allow it are refused, and deletion works from paused", () =>
    withSandbox(async (id) => {
      await assert.rejects(client.sandboxes.resume(id), refusedWith("invalid_state"));
      await client.sandboxes.pause(id);
      await assert.rejects(client.sandboxes.pause(id), refusedWith("invalid_state"));
      await assert.rejects(client.sandboxes.exec(id, { cmd: "true" }), refusedWith("invalid_state"));
      await assert.rejects(client.sandboxes.fork(id), refusedWith("invalid_state"));
      await client.sandboxes.delete(id);
      assert.equal((await client.sandboxes.get(id)).status, "stopped");
      await assert.rejects(client.sandboxes.resume(id), refusedWith("invalid_state"));
    }));

  it("happen by themselves: a time-out pauses, and nothing is lost", () =>
    withSandbox(
      async (id) => {
        assert.equal((await client.sandboxes.get(id)).on_timeout, "pause", "the default where the host can");
        const witness = await startWitness(client, id);
        await untilStatus(client, id, "paused");
        const resumed = await client.sandboxes.resume(id);
        assert.equal(resumed.timeout_sec, 4, "the time-out survives");
        assertWentOn(witness, await askWitness(client, id), "after the time-out");
      },
      { timeout_sec: 4 },
    ));
});

describe("fork", () => {
  it("makes copies that have everything of the source but its identity; the source goes on", () =>
    withSandbox(async (id) => {
      const source = await startWitness(client, id);
      await sh(client, id, "echo common > /home/user/file");
      const forks = await client.sandboxes.fork(id, { count: 2, metadata: { role: "copy" } });
      try {
        assert.deepEqual(
          forks.map(({ status, metadata }) => [status, metadata]),
          [
            ["running", { role: "copy" }],
            ["running", { role: "copy" }],
          ],
        );
        const all = [id, ...forks.map((fork) => fork.id)];
        for (const each of all) {
          assertWentOn(source, await askWitness(client, each), each);
          assert.equal(await sh(client, each, "cat /home/user/file"), "common");
          assert.equal(await sh(client, each, "hostname"), each);
        }
        await assertDistinct(client, all);
        await Promise.all(all.map((each) => sh(client, each, `echo ${each} > /home/user/file`)));
        for (const each of all) assert.equal(await sh(client, each, "cat /home/user/file"), each);
      } finally {
        for (const fork of forks) await client.sandboxes.delete(fork.id);
      }
    }));

  it("beyond the quota makes none", () =>
    withSandbox(async (id) => {
      await assert.rejects(client.sandboxes.fork(id, { count: 5 }), refusedWith("capacity"));
      const running = await Array.fromAsync(client.sandboxes.list({ status: "running" }));
      assert.deepEqual(
        running.map((sandbox) => sandbox.id),
        [id],
      );
    }));
});

describe("named snapshots", () => {
  it("are templates: clones go on where the sandbox was, also when it and the name are gone", async () => {
    let copy = "";
    await withSandbox(async (id) => {
      const witness = await startWitness(client, id);
      const made = await client.snapshots.create({ sandbox_id: id, name: "warm" });
      assert.deepEqual([made.type, made.vcpus, made.memory_mb], ["snapshot", 1, 512]);
      assert.ok(made.size_bytes > 1 << 20, `${made.size_bytes} bytes`);
      assertWentOn(witness, await askWitness(client, id), "the source");
      const clone = await client.sandboxes.create({ template: "warm", timeout_sec: 0 });
      copy = clone.id;
      assert.deepEqual([clone.vcpus, clone.memory_mb], [1, 512]);
      assertWentOn(witness, await askWitness(client, copy), "the clone");
      await assert.rejects(
        client.sandboxes.create({ template: "warm", memory_mb: 256 }),
        refusedWith("invalid_argument"),
      );
    });
    try {
      await client.snapshots.delete("warm");
      const witness = await askWitness(client, copy);
      await client.sandboxes.pause(copy);
      await client.sandboxes.resume(copy);
      assertWentOn(witness, await askWitness(client, copy), "without source and name");
      await assert.rejects(client.sandboxes.create({ template: "warm" }), refusedWith("not_found"));
    } finally {
      await client.sandboxes.delete(copy);
    }
  });

  it("can be overwritten while paused sandboxes need the old content", () =>
    withSandbox(async (id) => {
      const old = await startWitness(client, id);
      await client.snapshots.create({ sandbox_id: id, name: "point" });
      const user = await client.sandboxes.create({ template: "point", timeout_sec: 0 });
      try {
        await client.sandboxes.pause(user.id);
        await sh(client, id, "kill $(cat /tmp/pid); rm /tmp/pid");
        const fresh = await startWitness(client, id);
        await assert.rejects(
          client.snapshots.create({ sandbox_id: id, name: "point" }),
          refusedWith("already_exists"),
        );
        await client.snapshots.create(
          { sandbox_id: id, name: "point", leave: "paused" },
          { overwrite: true },
        );
        assert.equal((await client.sandboxes.get(id)).status, "paused");
        await client.sandboxes.resume(user.id);
        assertWentOn(old, await askWitness(client, user.id), "made from the old content");
        const later = await client.sandboxes.create({ template: "point", timeout_sec: 0 });
        assertWentOn(fresh, await askWitness(client, later.id), "made from the new content");
        await client.sandboxes.delete(later.id);
      } finally {
        await client.sandboxes.delete(user.id);
        await client.snapshots.delete("point");
      }
    }));

  it("take a sandbox back to where it was, running or paused", () =>
    withSandbox(async (id) => {
      const point = await startWitness(client, id);
      await sh(client, id, "echo before > /home/user/file");
      await client.snapshots.create({ sandbox_id: id, name: "back" });
      for (const status of ["running", "paused"] as const) {
        await sh(client, id, "echo after > /home/user/file; kill $(cat /tmp/pid)");
        if (status === "paused") await client.sandboxes.pause(id);
        const restored = await client.sandboxes.restore(id, { snapshot: "back" });
        assert.deepEqual([restored.id, restored.status], [id, "running"]);
        assertWentOn(point, await askWitness(client, id), `restored while ${status}`);
        assert.equal(await sh(client, id, "cat /home/user/file"), "before");
      }
      await client.sandboxes.restore(id, { snapshot: "minimal" });
      assert.equal(await sh(client, id, "ls /home/user/file 2>/dev/null || echo none"), "none");
      await client.snapshots.delete("back");
    }));

  it("belong to their owner", () =>
    withSandbox(async (id) => {
      await client.snapshots.create({ sandbox_id: id, name: "private" });
      const { key } = await client.keys.create({ name: "stranger", owner: "stranger" });
      const stranger = new WrennClient({ url: platform.url, apiKey: key });
      await assert.rejects(stranger.sandboxes.create({ template: "private" }), refusedWith("not_found"));
      await assert.rejects(stranger.snapshots.delete("private"), refusedWith("not_found"));
      await assert.rejects(stranger.snapshots.create({ sandbox_id: id }), refusedWith("not_found"));
      for (const action of ["pause", "fork", "resume"] as const)
        await assert.rejects(stranger.sandboxes[action](id), refusedWith("not_found"), action);
      await assert.rejects(stranger.sandboxes.restore(id, { snapshot: "private" }), refusedWith("not_found"));
      await assert.rejects(stranger.storage(), refusedWith("forbidden"));
      await client.snapshots.delete("private");
    }));
});

describe("the command line", () => {
  it("saves, copies, brings back and shows", () =>
    withSandbox(async (id) => {
      const witness = await startWitness(client, id);
      const wrenn = async (...args: string[]) => {
        const { status, stdout, stderr } = await platform.wrenn(args);
        assert.equal(status, 0, `${args.join(" ")}: ${stderr}`);
        return stdout.toString();
      };
      await wrenn("sandbox", "pause", id);
      assert.match(await wrenn("sandbox", "ls"), new RegExp(`${id} +paused`));
      await wrenn("sandbox", "resume", id);
      const fork = (await wrenn("sandbox", "fork", id)).trim();
      assertWentOn(witness, await askWitness(client, fork), "forked");
      await wrenn("sandbox", "rm", fork);
      assert.equal(await wrenn("snapshot", "create", id, "cli"), "cli\n");
      assert.match(await wrenn("snapshot", "ls"), /^cli +snapshot +1 +512 MiB +[\d.]+ MiB/m);
      const storage = await wrenn("storage");
      assert.match(storage, /snapshot operator\/cli/);
      assert.match(storage, new RegExp(`sandbox ${id}`));
      await wrenn("sandbox", "restore", id, "cli");
      assertWentOn(witness, await askWitness(client, id), "restored");
      await wrenn("snapshot", "rm", "cli");
      assert.doesNotMatch(await wrenn("snapshot", "ls"), /^cli/m);
    }));
});
