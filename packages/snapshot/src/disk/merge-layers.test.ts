import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { chmod, copyFile, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { run } from "@wrenn/linux";
import { mergeLayers } from "./merge-layers.ts";
import { checkLayer } from "./qcow2-header.ts";

/** An id that no block has. */
const UID = 1_999_997_000;
const DISK_MB = 64;
const dir = mkdtempSync(join(tmpdir(), "wrenn-merge-"));
const image = join(dir, "image.raw");
const layer = (n: number) => join(dir, `layer${n}.qcow2`);
const help = { image: () => image, uid: UID };
after(() => rmSync(dir, { recursive: true }));

/** What qemu-img is told: the image and layers above it, each named here. */
function disk(layers: readonly string[]): string {
  let node: unknown = { driver: "raw", "read-only": true, file: { driver: "file", filename: image } };
  for (const filename of layers) {
    node = { driver: "qcow2", discard: "unmap", file: { driver: "file", filename }, backing: node };
  }
  return `json:${JSON.stringify(node)}`;
}

const quick = { timeoutMs: 30_000 };
const write = (layers: readonly string[], ...commands: string[]) =>
  run(["qemu-io", "-d", "unmap", ...commands.flatMap((command) => ["-c", command]), disk(layers)], quick);
const compare = (a: readonly string[], b: readonly string[]) =>
  run(["qemu-img", "compare", disk(a), disk(b)], quick);
const create = (path: string) => run(["qemu-img", "create", "-q", "-f", "qcow2", path, `${DISK_MB}M`], quick);

/** Whole, partial, overlapping and zeroed clusters, in and beyond the image, which is smaller than the disk. */
before(async () => {
  await writeFile(image, Buffer.alloc(32 * 1024 * 1024, 0x11));
  const layers: string[] = [];
  const commands = [
    ["write -P 0xa1 1M 200k", "write -z 5M 64k", "write -P 0xa1 20M 1M"],
    ["write -P 0xa2 1100k 3k", "write -z 2M 640k", "write -P 0xa2 33M 3k"],
    ["write -P 0xa3 2200k 5k", "write -z 3M 4k", "write -P 0xa3 40M 100k", "write -P 0xa3 5M 1k"],
    ["discard 40M 64k", "discard 10M 64k", "write -P 0xa4 63M 1000k", "write -P 0xa4 20M 65k"],
  ];
  for (const [n, own] of commands.entries()) {
    layers.push(layer(n));
    await create(layer(n));
    await write(layers, ...own);
    await chmod(layer(n), 0o444);
  }
});

const all = [0, 1, 2, 3].map(layer);

function merge(scratch: string, keep: number, layers = all) {
  const below = [
    { path: image, format: "raw" as const },
    ...layers.slice(0, keep).map((path) => ({ path, format: "qcow2" as const })),
  ];
  return mergeLayers({
    below,
    layers: layers.slice(keep),
    diskMb: DISK_MB,
    scratch: join(dir, scratch),
    help,
  });
}

describe("mergeLayers()", () => {
  for (const keep of [0, 1, 3]) {
    it(`makes one layer of ${4 - keep} that says the same, on ${keep} others`, async () => {
      const sums = await Promise.all(all.map((path) => readFile(path)));
      const merged = await merge(`keep${keep}`, keep);
      await compare(all, [...all.slice(0, keep), merged]);
      // The control: the comparison does see a layer that is missing.
      await assert.rejects(compare(all, all.slice(0, 3)), /1/);
      for (const [n, path] of all.entries())
        assert.ok((await readFile(path)).equals(sums[n] ?? Buffer.alloc(0)));
      assert.equal((await stat(merged)).uid, UID);
    });
  }

  it("leaves what no layer has to the image below", async () => {
    const merged = await merge("holes", 0);
    const { stdout } = await run(["qemu-img", "map", "--output=json", "-f", "qcow2", merged], quick);
    const ranges = JSON.parse(stdout) as { start: number; length: number; present: boolean }[];
    const presentAt = (offset: number) =>
      ranges.find((r) => r.start <= offset && offset < r.start + r.length)?.present;
    assert.equal(presentAt(0), false);
    assert.equal(presentAt(1024 * 1024), true);
    assert.equal(presentAt(5 * 1024 * 1024), true);
    assert.ok((await stat(merged)).blocks * 512 < 5 * 1024 * 1024);
  });

  it("never opens what a layer's header names", async () => {
    const secret = join(dir, "secret");
    await writeFile(secret, Buffer.alloc(DISK_MB * 1024 * 1024, 0x53));
    const evil = join(dir, "evil.qcow2");
    await run(
      ["qemu-img", "create", "-q", "-f", "qcow2", "-b", secret, "-F", "raw", evil, `${DISK_MB}M`],
      quick,
    );
    await assert.rejects(merge("evil", 1, [layer(0), evil]), /names a backing file/);
  });

  it("takes a layer in which a machine that was killed has left a cluster that nothing uses", async () => {
    const leaky = join(dir, "leaky.qcow2");
    await copyFile(layer(0), leaky);
    await chmod(leaky, 0o600);
    const bytes = await readFile(leaky);
    // One more cluster at the end, which is counted: qcow2.txt, "Reference count table", of 16 bits in a block of 64 KiB.
    const cluster = Math.ceil(bytes.length / 65536);
    const block = Number(bytes.readBigUInt64BE(Number(bytes.readBigUInt64BE(48))));
    bytes.writeUInt16BE(1, block + 2 * cluster);
    await writeFile(leaky, bytes);
    await truncate(leaky, (cluster + 1) * 65536);
    const check = run(["qemu-img", "check", "-q", leaky], quick);
    await assert.rejects(check, /3/, "the control: it is seen");
    const merged = await merge("leaky", 0, [leaky, layer(1)]);
    await compare([layer(0), layer(1)], [merged]);
    await run(["qemu-img", "check", "-q", merged], quick);
  });

  it("ends with what qemu-img says when a layer is broken, and when it is told to", async () => {
    const broken = join(dir, "broken.qcow2");
    await copyFile(layer(1), broken);
    await chmod(broken, 0o600);
    const bytes = await readFile(broken);
    bytes.writeBigUInt64BE(0x7fff_ffff_ffff_0000n, 40); // where its first table lies
    await writeFile(broken, bytes);
    await assert.rejects(merge("broken", 0, [layer(0), broken]), /qemu-img commit ended with 1/);
    const options = { below: [], layers: all, diskMb: DISK_MB, scratch: join(dir, "aborted"), help };
    await assert.rejects(mergeLayers({ ...options, signal: AbortSignal.abort() }), { name: "AbortError" });
  });
});

describe("checkLayer()", () => {
  it("takes an empty layer of the disk's size, and nothing that asks for more", async () => {
    const path = join(dir, "header.qcow2");
    await create(path);
    await checkLayer(path, DISK_MB);
    await assert.rejects(checkLayer(path, DISK_MB + 1), /size/);
    const valid = await readFile(path);
    const changes: [string, number, bigint][] = [
      ["no qcow2", 0, 0n],
      ["backing", 8, 512n],
      ["features", 72, 4n],
      ["features", 72, 2n],
    ];
    for (const [what, at, value] of changes) {
      const bytes = Buffer.from(valid);
      bytes.writeBigUInt64BE(value, at);
      await writeFile(path, bytes);
      await assert.rejects(checkLayer(path, DISK_MB), new RegExp(what), what);
    }
    await truncate(path, 10);
    await assert.rejects(checkLayer(path, DISK_MB), /no qcow2/);
  });

  it("knows what QEMU itself writes: encryption, inner snapshots, a data file beside it", async () => {
    const inner = join(dir, "inner.qcow2");
    await create(inner);
    await run(["qemu-img", "snapshot", "-c", "x", inner], quick);
    await assert.rejects(checkLayer(inner, DISK_MB), /snapshots of its own/);
    const outer = join(dir, "outer.qcow2");
    const data = `data_file=${join(dir, "outer.data")}`;
    await run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", data, outer, `${DISK_MB}M`], quick);
    await assert.rejects(checkLayer(outer, DISK_MB), /features/);
  });
});
