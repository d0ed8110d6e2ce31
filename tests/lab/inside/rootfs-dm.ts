// Runs inside a lab (rootfs.test.ts): the contract of root file systems on the device mapper.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { MIB } from "@wrenn/core";
import { listDevices, loopsBelow, run } from "@wrenn/linux";
import { DmRootfsStore } from "../../../packages/host-agent/src/rootfs/dm.ts";
import { Disk } from "../../contract/disk.ts";
import { rootfsContract } from "../../contract/rootfs.ts";

const PREFIX = "wrenn-254-";

rootfsContract({
  name: "dm",
  open: (dataDir) => DmRootfsStore.open({ prefix: PREFIX, dataDir }),
  held: async (dataDir) => [
    ...(await listDevices(PREFIX)),
    ...loopsBelow(dataDir)
      .map(({ file }) => file)
      .sort(),
  ],
});

describe("a disk that the host cannot write any more", () => {
  let dataDir = "";
  before(async () => {
    dataDir = await realpath(await mkdtemp(join(tmpdir(), "wrenn-lost-")));
    // Less room than the guest's disk promises.
    await run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", dataDir], { timeoutMs: 10_000 });
  });
  after(async () => {
    await run(["umount", dataDir], { timeoutMs: 10_000 });
    await rm(dataDir, { recursive: true });
  });

  it("is told of, and goes like any other", async () => {
    const imagePath = join(dataDir, "image");
    await writeFile(imagePath, Buffer.alloc(MIB, 1));
    const store = await DmRootfsStore.open({ prefix: PREFIX, dataDir });
    const place = { dir: join(dataDir, "sandboxes/sb-1/vm-1"), uid: 0, diskMb: 16 };
    await mkdir(place.dir, { recursive: true });
    const [layer] = await store.create({ ...place, imagePath, frozen: [] }, "root-0");
    const lost = Promise.withResolvers<[string, string]>();
    const unwatch = store.watch((dir, reason) => lost.resolve([dir, reason]));
    const fill = ["dd", "if=/dev/zero", `of=${layer?.path}`, "bs=1M", "count=16", "oflag=direct"] as const;
    await assert.rejects(run([...fill], { timeoutMs: 60_000 }), { reason: "exit" });
    const [dir, reason] = await lost.promise;
    unwatch();
    assert.equal(dir, place.dir);
    assert.match(reason, /disk was lost/);
    await assert.rejects(store.freeze({ ...place, machine: new Disk([]).machine }, undefined), {
      code: "no_space",
    });
    await store.remove(place);
    assert.deepEqual(await listDevices(PREFIX), []);
    assert.deepEqual(loopsBelow(dataDir), []);
  });
});
