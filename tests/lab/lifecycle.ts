import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { HostState } from "./host-state.ts";
import { type LabPlatform, labPlatform } from "./platform.ts";

describe("the life of a sandbox on KVM and the device mapper", () => {
  let platform: LabPlatform;
  let state: HostState;
  let id = "";
  before(async () => {
    platform = await labPlatform();
    state = new HostState(platform.guest);
    ({ id } = await platform.sandbox());
  });
  after(() => platform?.[Symbol.asyncDispose]());

  const sh = async (sandbox: string, script: string) => {
    const result = await platform.client.sandboxes.exec(sandbox, { cmd: "sh", args: ["-c", script] });
    assert.equal(result.exit_code, 0, `${script}: ${result.stderr}`);
    return result.stdout.trim();
  };

  it("has a disk that is a device of the sandbox's own, over one loop device per image", async () => {
    const { devices, loops } = await state.read();
    assert.ok(
      devices.some((name) => name.startsWith(`wrenn-0-${id}.vm-`)),
      `${devices}`,
    );
    assert.ok(
      loops.some((file) => file.startsWith("/srv/data/images/")),
      `${loops}`,
    );
    assert.ok(
      loops.some((file) => file.startsWith(`/srv/data/sandboxes/${id}/`)),
      `${loops}`,
    );
  });

  it("keeps memory, processes and files over pause and resume, and holds nothing in between", async () => {
    await sh(
      id,
      "echo on disk > /home/user/file; echo in memory > /dev/shm/file; sleep 100000 & echo $! > /tmp/pid; sync",
    );
    await platform.client.sandboxes.pause(id);
    assert.equal((await platform.client.sandboxes.get(id)).status, "paused");
    await state.settles(id, Date.now() + 60_000);
    await platform.client.sandboxes.resume(id);
    assert.equal(
      await sh(id, "cat /home/user/file /dev/shm/file; kill -0 $(cat /tmp/pid) && echo alive"),
      "on disk\nin memory\nalive",
    );
  });

  it("forks: copies have what the source had, and each goes its own way", async () => {
    await sh(id, "echo source > /home/user/who; sync");
    const forks = await platform.client.sandboxes.fork(id, { count: 2 });
    const copies = forks.map((fork) => fork.id);
    for (const [index, copy] of copies.entries())
      await sh(copy, `cat /home/user/file; echo copy ${index} >> /home/user/who; sync`);
    await sh(id, "echo went on >> /home/user/who; sync; echo 3 | sudo tee /proc/sys/vm/drop_caches");
    assert.equal(await sh(id, "cat /home/user/who"), "source\nwent on");
    for (const [index, copy] of copies.entries())
      assert.equal(await sh(copy, "cat /home/user/who"), `source\ncopy ${index}`);
    for (const copy of copies) await platform.client.sandboxes.delete(copy);
  });

  it("keeps a moment under a name, begins others from it, and rolls back to it", async () => {
    await sh(id, "echo kept > /home/user/moment; sync");
    await platform.client.snapshots.create({ sandbox_id: id, name: "moment" });
    await sh(id, "echo later > /home/user/moment; sync");
    const other = await platform.sandbox({ template: "moment" });
    assert.equal(await sh(other.id, "cat /home/user/moment"), "kept");
    await platform.client.sandboxes.delete(other.id);
    await platform.client.sandboxes.restore(id, { snapshot: "moment" });
    assert.equal(await sh(id, "cat /home/user/moment"), "kept");
  });

  it("leaves nothing when it has been deleted", async () => {
    await platform.client.sandboxes.delete(id);
    const { devices, loops, files, machines } = await state.read();
    assert.deepEqual(
      { devices, loops, files, machines },
      { devices: [], loops: [], files: [], machines: [] },
    );
  });
});
