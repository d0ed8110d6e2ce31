import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it, type TestContext } from "node:test";
import { crc32 } from "node:zlib";
import { PAGE_BUFFER_BYTES, pageBuffers } from "./page-buffers.ts";
import { PageFile } from "./page-file.ts";

const dir = mkdtempSync(join(tmpdir(), "wrenn-page-file-"));
after(() => rmSync(dir, { recursive: true }));

/** What file handles are made of: Node exports it nowhere. */
async function handles(): Promise<FileHandle> {
  await using one = await open(dir, "r");
  return Object.getPrototypeOf(one) as FileHandle;
}

/** Lets flushes wait until they are let go, or fail. */
async function holdFlushes(test: TestContext) {
  const held: PromiseWithResolvers<void>[] = [];
  test.mock.method(await handles(), "datasync", () => {
    held.push(Promise.withResolvers<void>());
    return held.at(-1)?.promise;
  });
  return held;
}

async function append(file: PageFile, bytes: Buffer): Promise<void> {
  const buffer = await file.buffer();
  bytes.copy(buffer);
  file.append(buffer, bytes.length);
}

describe("PageFile", () => {
  it("holds what was appended, in order, while earlier parts are on their way to the disk", async () => {
    const parts = [PAGE_BUFFER_BYTES, 4096, PAGE_BUFFER_BYTES, 0, 8192, PAGE_BUFFER_BYTES].map((n) =>
      randomBytes(n),
    );
    const path = join(dir, "ordered");
    await using file = await PageFile.create(path);
    file.flushesAhead = true;
    for (const part of parts) await append(file, part);
    const sum = await file.settle();
    const whole = Buffer.concat(parts);
    assert.deepEqual(sum, { bytes: whole.length, crc32: crc32(whole) });
    await file.sync();
    assert.ok(readFileSync(path).equals(whole));
  });

  it("settles without waiting for the disk, and has one flush under way at a time", async (test) => {
    const flushes = await holdFlushes(test);
    await using file = await PageFile.create(join(dir, "held"));
    await using other = await PageFile.create(join(dir, "other"));
    for (const each of [file, other]) each.flushesAhead = true;
    for (let i = 0; i < 5; i++) await append(file, randomBytes(4096));
    assert.equal((await file.settle()).bytes, 5 * 4096);
    await append(other, randomBytes(4096));
    await other.settle();
    assert.equal(flushes.length, 1);
    flushes[0]?.resolve();
  });

  it("flushes nothing ahead unless it is asked to, and nothing for nothing", async (test) => {
    const flushes = await holdFlushes(test);
    await using file = await PageFile.create(join(dir, "unasked"));
    await append(file, randomBytes(4096));
    await using empty = await PageFile.create(join(dir, "empty"));
    empty.flushesAhead = true;
    await append(empty, Buffer.alloc(0));
    await Promise.all([file.settle(), empty.settle()]);
    assert.equal(flushes.length, 0);
  });

  it("gives its buffers back once it has settled", async () => {
    const before = pageBuffers.free;
    await using file = await PageFile.create(join(dir, "given-back"));
    await Promise.all([append(file, randomBytes(4096)), append(file, randomBytes(4096))]);
    await file.settle();
    assert.ok(pageBuffers.free >= Math.max(before, 2), `${pageBuffers.free} of ${before}`);
  });

  it("tells of a flush that failed, which the kernel does not report again", async (test) => {
    const flushes = await holdFlushes(test);
    await using file = await PageFile.create(join(dir, "failed"));
    file.flushesAhead = true;
    await append(file, randomBytes(4096));
    await file.settle();
    // Also when it fails while the last one is asked for.
    const synced = assert.rejects(file.sync(), /EIO/);
    setImmediate(() => flushes[0]?.reject(new Error("EIO")));
    await synced;
    await assert.rejects(file.buffer(), /EIO/);
    await assert.rejects(file.settle(), /EIO/);
  });
});
