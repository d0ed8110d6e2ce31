// Runs inside a lab (long/device-mapper.test.ts): device mapper and loop devices are the kernel's.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { mkdtemp, open, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { MIB } from "@wrenn/core";
import {
  attachLoop,
  copySparse,
  cowBytes,
  createDevice,
  createSnapshot,
  flattenSnapshot,
  listDevices,
  loopsBelow,
  Origins,
  removeDevice,
  removeSnapshot,
  restoreSnapshot,
  snapshotStatus,
  snapshotStatuses,
  sweepDevices,
  tryDeviceMapper,
  whileSuspended,
} from "@wrenn/linux";

const PREFIX = "wrenn-255-";
const IMAGE_BYTES = 4 * MIB;
const DISK_BYTES = 8 * MIB;
/** Where the tests write: in the image, at its end, across that, and in the zeros behind. */
const PLACES = [0, 12_345, IMAGE_BYTES - 3000, DISK_BYTES - 5000];

describe("device-mapper snapshots", () => {
  const image = randomBytes(IMAGE_BYTES);
  let dir = "";
  let imagePath = "";
  let origins = new Origins(PREFIX);
  before(async () => {
    dir = await realpath(await mkdtemp(join(tmpdir(), "wrenn-dm-")));
    imagePath = join(dir, "image");
    await writeFile(imagePath, image);
  });
  afterEach(async () => {
    assert.deepEqual(await listDevices(PREFIX), [], "no device is left");
    assert.deepEqual(loopsBelow(dir), [], "no loop device is left");
    origins = new Origins(PREFIX);
  });
  after(() => rm(dir, { recursive: true, force: true }));

  const fresh = Buffer.concat([image, Buffer.alloc(DISK_BYTES - IMAGE_BYTES)]);
  const snapshotOf = (id: string) => ({ name: `${PREFIX}${id}`, cow: join(dir, `${id}.cow`) });

  it("are usable here", async () => {
    assert.equal(await tryDeviceMapper({ prefix: PREFIX, directory: dir }), undefined);
  });

  it("begin as the image and zeros, keep what is written, and leave the image as it is", async () => {
    const origin = await origins.acquire(imagePath, DISK_BYTES);
    const one = snapshotOf("one");
    const two = snapshotOf("two");
    const a = await createSnapshot(one, origin);
    const b = await createSnapshot(two, await origins.acquire(imagePath, DISK_BYTES));
    assert.deepEqual(readAll(a), fresh);
    const expected = write(a, fresh, "first");
    assert.deepEqual(readAll(a), expected);
    assert.deepEqual(readAll(b), fresh, "the other one on the same image");
    assert.deepEqual(await readFile(imagePath), image);
    await removeSnapshot(one);
    await removeSnapshot(two);
    await removeSnapshot(two);
    await origins.release(origin);
    await origins.release(origin);

    const again = await origins.acquire(imagePath, DISK_BYTES);
    assert.deepEqual(
      readAll(await restoreSnapshot(one, again)),
      expected,
      "as a new device on the same file",
    );
    await removeSnapshot(one);
    await origins.release(again);
    for (const { cow } of [one, two]) await rm(cow);
  });

  it("share one read-only loop device per image", async () => {
    const exact = await origins.acquire(imagePath, IMAGE_BYTES);
    const larger = await origins.acquire(imagePath, DISK_BYTES);
    const same = await origins.acquire(imagePath, DISK_BYTES);
    assert.equal(loopsBelow(dir).length, 1);
    assert.equal(exact.device, loopsBelow(dir)[0]?.device);
    assert.equal(larger.device, same.device);
    assert.throws(() => write(exact.device, fresh.subarray(0, IMAGE_BYTES), "x"), {
      code: /EPERM|EROFS|EACCES/,
    });
    await assert.rejects(origins.acquire(imagePath, MIB), { code: "invalid_argument" });
    await origins.release(larger);
    assert.equal((await listDevices(PREFIX)).length, 1);
    await origins.release(same);
    await origins.release(exact);
  });

  it("are copied while in use, and go on; a flat copy needs no other file", async () => {
    const origin = await origins.acquire(imagePath, DISK_BYTES);
    const source = snapshotOf("source");
    const device = await createSnapshot(source, origin);
    const frozen = write(device, fresh, "before");
    const copy = snapshotOf("copy");
    await whileSuspended(source, () => copySparse(source.cow, copy.cow));
    const later = write(device, frozen, "after");
    const clone = await restoreSnapshot(copy, origin);
    assert.deepEqual(readAll(clone), frozen);
    assert.deepEqual(readAll(device), later);
    const flat = join(dir, "flat");
    await flattenSnapshot(source, flat);
    assert.deepEqual(await readFile(flat), later);
    await removeSnapshot(copy);
    await removeSnapshot(source);
    await origins.release(origin);
    for (const path of [source.cow, copy.cow, flat]) await rm(path);
  });

  it("have room for every byte of the origin", async () => {
    const origin = await origins.acquire(imagePath, DISK_BYTES);
    const full = snapshotOf("full");
    const device = await createSnapshot(full, origin);
    assert.ok((await stat(full.cow)).blocks * 512 < MIB, "the file is sparse");
    const before = await snapshotStatus(full.name);
    const content = randomBytes(DISK_BYTES);
    writeAt(device, 0, content);
    assert.deepEqual(readAll(device), content);
    const status = await snapshotStatus(full.name);
    assert.ok(before.state === "active" && status.state === "active");
    assert.deepEqual((await snapshotStatuses()).get(full.name), status);
    assert.equal(status.totalBytes, cowBytes(DISK_BYTES));
    assert.ok(before.usedBytes < status.usedBytes && status.usedBytes <= status.totalBytes);
    await removeSnapshot(full);
    await origins.release(origin);
    await rm(full.cow);
  });

  it("refuse a file that no snapshot of that size has written, and touch none that is there", async () => {
    const origin = await origins.acquire(imagePath, DISK_BYTES);
    const strange = snapshotOf("strange");
    for (const content of ["", "no snapshot at all", Buffer.alloc(cowBytes(DISK_BYTES))]) {
      await writeFile(strange.cow, content);
      await assert.rejects(restoreSnapshot(strange, origin), { code: "invalid_argument" });
    }
    await assert.rejects(createSnapshot(strange, origin), { code: "EEXIST" });
    await rm(strange.cow);
    await createSnapshot(strange, origin);
    await removeSnapshot(strange);
    const other = await origins.acquire(imagePath, 2 * DISK_BYTES);
    await assert.rejects(restoreSnapshot(strange, other), { code: "invalid_argument" });
    await origins.release(other);
    await origins.release(origin);
    await rm(strange.cow);
  });

  it("wait while they are in use, and are an error when they stay so", async () => {
    const origin = await origins.acquire(imagePath, DISK_BYTES);
    const busy = snapshotOf("busy");
    const device = await createSnapshot(busy, origin);
    const held = await open(device);
    await assert.rejects(removeSnapshot(busy), { code: "internal", message: /still in use/ });
    const removed = removeSnapshot(busy);
    setTimeout(() => void held.close(), 200);
    await removed;
    await origins.release(origin);
    await rm(busy.cow);
  });

  it("leave nothing half made when the device's name is taken", async () => {
    const origin = await origins.acquire(imagePath, DISK_BYTES);
    const taken = snapshotOf("taken");
    await createDevice(taken.name, "0 8 zero");
    await assert.rejects(createSnapshot(taken, origin), { code: "internal" });
    assert.equal(loopsBelow(dir).length, 1, "only the image's");
    await removeDevice(taken.name);
    await origins.release(origin);
    await rm(taken.cow);
  });

  it("that a machine still uses are taken over after a crash, and only they", async () => {
    const used = snapshotOf("used");
    const device = await createSnapshot(used, await origins.acquire(imagePath, DISK_BYTES));
    await createSnapshot(snapshotOf("unused"), await origins.acquire(imagePath, 2 * DISK_BYTES));
    const next = new Origins(PREFIX);
    const origin = await next.acquire(imagePath, DISK_BYTES);
    const { devices, files } = next.held();
    const spared = { devices: new Set([...devices, used.name]), files: new Set([...files, used.cow]) };
    const swept = await sweepDevices({ prefix: PREFIX, dataDir: dir, spared });
    assert.equal(swept.devices.length, 2, "the other snapshot and its origin");
    assert.deepEqual(
      swept.loops.map(({ file }) => file),
      [snapshotOf("unused").cow],
    );
    assert.deepEqual(readAll(device), fresh);
    await removeSnapshot(used);
    await next.release(origin);
    for (const id of ["used", "unused"]) await rm(snapshotOf(id).cow);
  });

  it("are found and removed after a crash, those of other blocks are not", async () => {
    const origin = await origins.acquire(imagePath, DISK_BYTES);
    for (const id of ["a", "b"]) await createSnapshot(snapshotOf(id), origin);
    await attachLoop(imagePath, { readOnly: true });
    await createDevice("wrenn-25-other", "0 8 zero");
    await rm(snapshotOf("b").cow);
    const swept = await sweepDevices({ prefix: PREFIX, dataDir: dir });
    assert.equal(swept.devices.length, 3, "two snapshots and their origin");
    assert.equal(swept.loops.length, 4, "two images', two files'");
    assert.deepEqual(await sweepDevices({ prefix: PREFIX, dataDir: dir }), { devices: [], loops: [] });
    assert.deepEqual(await listDevices("wrenn-25-"), ["wrenn-25-other"]);
    await removeDevice("wrenn-25-other");
    await rm(snapshotOf("a").cow);
  });
});

/** Writes something recognisable at all {@link PLACES} and returns what the device should hold then. */
function write(device: string, before: Buffer, text: string): Buffer {
  const expected = Buffer.from(before);
  for (const place of PLACES.filter((at) => at < before.length)) {
    const content = Buffer.alloc(Math.min(6000, before.length - place), `${text} ${place} `);
    writeAt(device, place, content);
    content.copy(expected, place);
  }
  return expected;
}

function writeAt(device: string, at: number, content: Buffer): void {
  const fd = openSync(device, "r+");
  try {
    for (let done = 0; done < content.length; ) done += writeSync(fd, content, done, undefined, at + done);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function readAll(device: string): Buffer {
  const fd = openSync(device, "r");
  try {
    const parts: Buffer[] = [];
    for (;;) {
      const part = Buffer.alloc(MIB);
      const length = readSync(fd, part, 0, part.length, null);
      if (length === 0) return Buffer.concat(parts);
      parts.push(part.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
}
