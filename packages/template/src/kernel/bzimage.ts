// The kernel proper inside a bzImage, as the Linux/x86 boot protocol describes it.
import { readFile, writeFile } from "node:fs/promises";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { MIB, WrennError } from "@wrenn/core";
import { run } from "@wrenn/linux";

/**
 * Unpacks the ELF image (`vmlinux`) from the bzImage `from` into the file `to`. Booting that (PVH) saves the guest from
 * unpacking itself: about 1 s under emulation. It also is the form that Firecracker asks for.
 *
 * @throws `invalid_argument` when it is not a bzImage or is packed in a way that is not supported.
 */
export async function unpackKernel(options: {
  from: string;
  to: string;
  signal?: AbortSignal | undefined;
}): Promise<void> {
  const { from, to, signal } = options;
  const payload = kernelPayload(await readFile(from, { signal }));
  const magic = payload.readUInt32BE(0);
  const limit = { maxOutputLength: 512 * MIB };
  // Behind a payload other than gzip's stand four bytes with its unpacked size.
  if (magic >>> 16 === 0x1f8b) await writeFile(to, gunzipSync(payload, limit));
  else if (magic === 0x28b52ffd) await writeFile(to, zstdDecompressSync(payload.subarray(0, -4), limit));
  else if (magic === 0x02214c18) {
    await writeFile(`${to}.lz4`, payload.subarray(0, -4));
    await run(["lz4", "-d", "-q", "-f", `${to}.lz4`, to], { timeoutMs: 60_000, signal });
  } else {
    throw new WrennError(
      "invalid_argument",
      `the kernel is packed in an unknown way (0x${magic.toString(16)})`,
    );
  }
  if ((await readFile(to)).subarray(0, 4).toString("latin1") !== "\x7fELF") {
    throw new WrennError("invalid_argument", `${from} holds no ELF file`);
  }
}

/**
 * The compressed kernel: `payload_length` bytes at `payload_offset` of the protected-mode code, which follows the boot
 * sector and `setup_sects` sectors (https://docs.kernel.org/arch/x86/boot.html, fields 0x1f1, 0x202, 0x248, 0x24c).
 */
export function kernelPayload(bzImage: Buffer): Buffer {
  const isBzImage = bzImage.length > 0x260 && bzImage.subarray(0x202, 0x206).toString("latin1") === "HdrS";
  if (!isBzImage || bzImage.readUInt16LE(0x206) < 0x208) {
    throw new WrennError(
      "invalid_argument",
      "the kernel image is not a bzImage of boot protocol 2.08 or later",
    );
  }
  const setupSectors = bzImage.readUInt8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + bzImage.readUInt32LE(0x248);
  const end = start + bzImage.readUInt32LE(0x24c);
  if (end > bzImage.length) throw new WrennError("invalid_argument", "the kernel image is cut short");
  return bzImage.subarray(start, end);
}
