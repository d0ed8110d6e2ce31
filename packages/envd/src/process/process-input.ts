// Stdin of a process, or the keyboard of its terminal.
import { WrennError } from "@wrenn/core";

/** Bytes that wait for a process which does not read. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024;

/** Ctrl-D: end-of-file on a terminal in its usual mode. */
const END_OF_FILE = new Uint8Array([4]);

/** The writable side of a pipe or a terminal. */
export interface InputSink {
  /** Rejects once it is closed. */
  write(bytes: Uint8Array): Promise<void>;
  close(): void;
}

/** Writes in the order of the calls, each resolving when the kernel has taken its bytes. */
export class ProcessInput {
  readonly #isTerminal: boolean;
  #sink: InputSink | undefined;
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;
  readonly #waiters = new Set<(error: WrennError) => void>();

  constructor(sink: InputSink | undefined, isTerminal: boolean) {
    this.#sink = sink;
    this.#isTerminal = isTerminal;
  }

  /**
   * Errors: `invalid_argument` for the wrong kind of input, `invalid_state` when it is closed or the process
   * has ended, `capacity` when too much waits already. An abort ends the wait, the bytes stay queued.
   */
  async write(kind: "stdin" | "pty", bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    if ((kind === "pty") !== this.#isTerminal) {
      const right = this.#isTerminal ? "pty" : "stdin";
      throw new WrennError("invalid_argument", `this process takes '${right}' input`, {
        field: `input.${kind}`,
      });
    }
    const sink = this.#sink;
    if (sink === undefined) throw closed();
    if (bytes.length === 0) return;
    if (this.#waiting + bytes.length > MAX_WAITING_BYTES) {
      throw new WrennError("capacity", `the process does not read: ${this.#waiting} bytes wait already`);
    }
    await this.#untilGone(this.#enqueue(sink, bytes), signal);
  }

  /** Lets the process read end-of-file once it has read what was written. Again: does nothing. */
  close(): void {
    if (this.#isTerminal) {
      if (this.#sink !== undefined) void this.#enqueue(this.#sink, END_OF_FILE).catch(() => undefined);
      return;
    }
    const sink = this.#sink;
    this.#sink = undefined;
    void this.#tail.then(() => sink?.close());
  }

  /** The process is gone: nothing is written any more, and nobody waits. */
  dispose(): void {
    // First: closing may settle a write that is under way as if it had been done.
    for (const reject of this.#waiters) reject(closed());
    this.#sink?.close();
    this.#sink = undefined;
  }

  #enqueue(sink: InputSink, bytes: Uint8Array): Promise<void> {
    this.#waiting += bytes.length;
    const written = this.#tail.then(async () => {
      try {
        await sink.write(bytes);
      } catch (cause) {
        throw new WrennError("invalid_state", "the process does not read its input any more", { cause });
      } finally {
        this.#waiting -= bytes.length;
      }
    });
    this.#tail = written.catch(() => undefined);
    return written;
  }

  async #untilGone(written: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    const gone = Promise.withResolvers<never>();
    const abort = () => gone.reject(signal?.reason);
    this.#waiters.add(gone.reject);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      await Promise.race([written, gone.promise]);
    } finally {
      this.#waiters.delete(gone.reject);
      signal?.removeEventListener("abort", abort);
    }
  }
}

function closed(): WrennError {
  return new WrennError("invalid_state", "the input of the process is closed");
}
