// Writing a build's page file: large writes that go on while the next pages are collected.
import { type FileHandle, open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import type { SnapshotFile } from "../manifest/manifest.ts";
import { type PAGE_BUFFER_BYTES, pageBuffers } from "./page-buffers.ts";

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
  /** The flush that is under way. */
  #flushing: Promise<void> | undefined;
  /**
   * Whether what was written starts on its way to the disk while more is collected. For who waits for {@link sync} with a
   * machine that does not go on: one that does would wait behind these flushes for its disk.
   */
  flushesAhead = false;
  /** Of all files: flushes wait in one of Node's four threads for files. */
  static #anyFlushing = false;

  static async create(path: string): Promise<PageFile> {
    return new PageFile(await open(path, "wx", 0o600));
  }

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** A buffer to fill, of {@link PAGE_BUFFER_BYTES}. Throws what an earlier write failed with. */
  async buffer(): Promise<Buffer> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const free = this.#free.pop();
      if (free) return free;
      if (this.#made < BUFFERS) {
        this.#made += 1;
        return pageBuffers.take();
      }
      await Promise.race(this.#writing);
    }
  }

  /** Appends the first `length` bytes of a buffer from {@link buffer}, which is not the caller's any more. */
  append(buffer: Buffer, length: number): void {
    if (length === 0) {
      this.#free.push(buffer);
      return;
    }
    const bytes = buffer.subarray(0, length);
    this.#crc32 = crc32(bytes, this.#crc32);
    const writing = this.#write(bytes, this.#bytes)
      .then(
        () => this.#flush(),
        (failure: unknown) => {
          this.#failure ??= failure;
        },
      )
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
    this.#giveBack();
    if (this.#failure !== undefined) throw this.#failure;
    return { bytes: this.#bytes, crc32: this.#crc32 };
  }

  /** Brings everything to the disk. Throws what an earlier write failed with. */
  async sync(): Promise<void> {
    await this.settle();
    await this.#flushing;
    await this.#file.sync();
    if (this.#failure !== undefined) throw this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#writing);
    await this.#flushing;
    this.#giveBack();
    await this.#file.close();
  }

  /**
   * Starts bringing what was written to the disk, which then works while pages are collected and has less left to do for
   * {@link sync}. One at a time: what is written meanwhile goes with the next one.
   */
  #flush(): void {
    if (!this.flushesAhead || PageFile.#anyFlushing) return;
    PageFile.#anyFlushing = true;
    this.#flushing = this.#file
      .datasync()
      .catch((failure: unknown) => {
        // The kernel reports it once.
        this.#failure ??= failure;
      })
      .finally(() => {
        PageFile.#anyFlushing = false;
        this.#flushing = undefined;
      });
  }

  #giveBack(): void {
    for (const buffer of this.#free.splice(0)) {
      pageBuffers.give(buffer);
      this.#made -= 1;
    }
  }

  async #write(bytes: Buffer, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }
}
