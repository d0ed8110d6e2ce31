// Typing on a terminal.
import { closeSync, writeSync } from "node:fs";

/** Between two tries while the terminal's input queue is full. The runtime reports no such event for terminals. */
const RETRY_MS = 5;

/**
 * Writes to a terminal's master side, in non-blocking mode. Not a `FileSink`: that switches a terminal to
 * blocking mode, and a program that does not read would then stop the agent. The queue holds some 64 KiB.
 */
export class TerminalWriter {
  readonly #fd: number;
  #closed = false;

  /** Takes over the descriptor. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Resolves when the terminal has taken the bytes; rejects (EIO) when nobody uses it any more. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      if (this.#closed) throw new Error("closed");
      const written = this.#try(bytes.subarray(at));
      if (written === 0) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      at += written;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }

  #try(bytes: Uint8Array): number {
    try {
      return writeSync(this.#fd, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return 0;
      throw error;
    }
  }
}
