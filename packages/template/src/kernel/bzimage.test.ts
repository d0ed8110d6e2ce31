import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { run } from "@wrenn/linux";
import { kernelPayload, unpackKernel } from "./bzimage.ts";

const ELF = Buffer.concat([Buffer.from("\x7fELF", "latin1"), Buffer.alloc(5000, "kernel")]);

/** A bzImage with two setup sectors and the payload 100 bytes into the protected-mode code. */
function bzImage(payload: Buffer): Buffer {
  const head = Buffer.alloc(3 * 512 + 100);
  head.writeUInt8(2, 0x1f1);
  head.write("HdrS", 0x202, "latin1");
  head.writeUInt16LE(0x20f, 0x206);
  head.writeUInt32LE(100, 0x248);
  head.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([head, payload, Buffer.from("behind it")]);
}

function withSize(packed: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(ELF.length);
  return Buffer.concat([packed, size]);
}

describe("unpackKernel()", () => {
  it("finds the payload and undoes each way of packing it", async (t) => {
    const dir = await mkdtemp(join(tmpdir(), "bzimage-"));
    t.after(() => rm(dir, { recursive: true }));
    const [elf, lz4, image, out] = ["elf", "lz4", "image", "out"].map((name) => join(dir, name)) as [
      string,
      string,
      string,
      string,
    ];
    await writeFile(elf, ELF);
    await run(["lz4", "-l", "-q", elf, lz4], { timeoutMs: 10_000 });
    const packed = {
      gzip: gzipSync(ELF),
      zstd: withSize(zstdCompressSync(ELF)),
      lz4: withSize(await readFile(lz4)),
    };
    for (const [way, payload] of Object.entries(packed)) {
      assert.deepEqual(kernelPayload(bzImage(payload)), payload);
      await writeFile(image, bzImage(payload));
      await unpackKernel({ from: image, to: out });
      assert.deepEqual(await readFile(out), ELF, way);
    }
  });

  it("refuses other files, unknown packing, and what is cut short", async (t) => {
    const dir = await mkdtemp(join(tmpdir(), "bzimage-"));
    t.after(() => rm(dir, { recursive: true }));
    const [image, out] = [join(dir, "image"), join(dir, "out")];
    const whole = bzImage(gzipSync(ELF));
    const wrong = [
      ELF,
      Buffer.alloc(0),
      whole.subarray(0, 1650),
      bzImage(Buffer.from("BZh9 and more")),
      bzImage(gzipSync(Buffer.from("no kernel"))),
    ];
    for (const content of wrong) {
      await writeFile(image, content);
      await assert.rejects(unpackKernel({ from: image, to: out }), { code: "invalid_argument" });
    }
  });
});
