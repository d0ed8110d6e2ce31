// Writing to a pipe, waiting while it is full.
import { closeSync } from "node:fs";

/** Writes to a pipe that is in non-blocking mode, in order, and says when the kernel has it all. */
export class FdWriter {
  readonly #fd: number;
  readonly #sink: Bun.FileSink;
  #closed = false;
  #broken = false;

  /** Takes over the descriptor. */
  constructor(fd: number) {
    this.#fd = fd;
    this.#sink = Bun.file(fd).writer();
  }

  /** Resolves when the kernel has taken the bytes; rejects (EPIPE) when nobody can read them any more. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#broken) throw new Error("the pipe is closed");
    try {
      await this.#sink.write(bytes);
      await this.#sink.flush();
    } catch (error) {
      // The sink itself would take, and drop, whatever comes after its first failure.
      this.#broken = true;
      throw error;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#broken = true;
    // `end` resolves with what was flushed; whoever wrote has been told about a failure by `write`.
    void Promise.resolve(this.#sink.end()).catch(() => undefined);
    closeSync(this.#fd);
  }
}
