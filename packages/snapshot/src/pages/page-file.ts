// Writing a build's page file: large writes that go on while the next pages are collected.
import { type FileHandle, open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { MIB } from "@wrenn/core";
import type { SnapshotFile } from "../manifest/manifest.ts";

export const PAGE_FILE_BUFFER_BYTES = 2 * MIB;
/** One is filled while two are being written. */
const BUFFERS = 3;

/** A new file of mode 0600. What is written may be lost until {@link sync}. */
export class PageFile implements AsyncDisposable {
  readonly #file: FileHandle;
  readonly #free: Buffer[] = [];
  readonly #writing = new Set<Promise<void>>();
  #made = 0;
  #bytes = 0;
  #crc32 = 0;
  #failure: unknown;

  static async create(path: string): Promise<PageFile> {
    return new PageFile(await open(path, "wx", 0o600));
  }

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** A buffer to fill, of {@link PAGE_FILE_BUFFER_BYTES}. Throws what an earlier write failed with. */
  async buffer(): Promise<Buffer> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const free = this.#free.pop();
      if (free) return free;
      if (this.#made < BUFFERS) {
        this.#made += 1;
        return Buffer.allocUnsafeSlow(PAGE_FILE_BUFFER_BYTES);
      }
      await Promise.race(this.#writing);
    }
  }

  /** Appends the first `length` bytes of a buffer from {@link buffer}, which is not the caller's any more. */
  append(buffer: Buffer, length: number): void {
    const bytes = buffer.subarray(0, length);
    this.#crc32 = crc32(bytes, this.#crc32);
    const writing = this.#write(bytes, this.#bytes)
      .catch((failure: unknown) => {
        this.#failure ??= failure;
      })
      .finally(() => {
        this.#writing.delete(writing);
        this.#free.push(buffer);
      });
    this.#writing.add(writing);
    this.#bytes += length;
  }

  /** Waits until everything was handed to the kernel. */
  async settle(): Promise<SnapshotFile> {
    while (this.#writing.size > 0) await Promise.all(this.#writing);
    if (this.#failure !== undefined) throw this.#failure;
    return { bytes: this.#bytes, crc32: this.#crc32 };
  }

  async sync(): Promise<void> {
    await this.#file.sync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#writing);
    await this.#file.close();
  }

  async #write(bytes: Buffer, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }
}
