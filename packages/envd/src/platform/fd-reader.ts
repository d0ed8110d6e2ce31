// Reading a pipe or a terminal at the reader's pace.
import { closeSync, readSync } from "node:fs";

/** What one {@link FdReader.drain} takes at most. */
const DRAIN_BYTES = 64 * 1024;

/**
 * Reads a descriptor that is in non-blocking mode. Nothing is read ahead of {@link read} beyond one
 * buffer of the runtime, so the writer is held up by the kernel's pipe when nobody reads.
 */
export class FdReader {
  readonly #fd: number;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #closed = false;

  /** Takes over the descriptor. */
  constructor(fd: number) {
    this.#fd = fd;
    this.#reader = Bun.file(fd).stream().getReader();
  }

  /** The next bytes; `undefined` at the end. A terminal whose last user has gone (EIO) is at its end. */
  async read(): Promise<Uint8Array | undefined> {
    try {
      const { done, value } = await this.#reader.read();
      return done ? undefined : value;
    } catch {
      return undefined;
    }
  }

  /**
   * What can be read without waiting, bypassing a {@link read} that is under way: while that one is
   * pending the runtime holds no bytes, so none are overtaken. `undefined` when there is nothing.
   */
  drain(): Uint8Array | undefined {
    const buffer = Buffer.allocUnsafeSlow(DRAIN_BYTES);
    try {
      const length = readSync(this.#fd, buffer, 0, DRAIN_BYTES, null);
      return length === 0 ? undefined : buffer.subarray(0, length);
    } catch {
      return undefined; // EAGAIN: nothing there. EIO: the terminal is gone.
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    void this.#reader.cancel().catch(() => undefined);
    closeSync(this.#fd);
  }
}
