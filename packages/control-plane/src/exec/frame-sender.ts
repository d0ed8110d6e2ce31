// Sends frames to a WebSocket no faster than its reader takes them.
import { WrennError } from "@wrenn/core";
import type { WebSocket } from "ws";

/** Bytes that may wait for the reader before the source is held back. */
const HIGH_WATER_BYTES = 256 * 1024;

/** Memory per stream stays below the mark plus one frame: `send` waits, and its caller reads on only after it. */
export class FrameSender {
  readonly #ws: WebSocket;
  readonly #stallMs: number;
  #pending = 0;
  #stalled = false;
  #progress = Promise.withResolvers<void>();

  constructor(ws: WebSocket, { stallMs }: { stallMs: number }) {
    this.#ws = ws;
    this.#stallMs = stallMs;
  }

  /** Whether `send` has given up on the reader. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /** Bytes handed over that the reader has not taken yet. */
  get pending(): number {
    return this.#pending;
  }

  /** Resolves when there is room for more. Throws `deadline_exceeded` when the reader stands still. */
  async send(message: object): Promise<void> {
    const frame = Buffer.from(JSON.stringify(message));
    this.#pending += frame.length;
    this.#ws.send(frame, { binary: false }, () => {
      this.#pending -= frame.length;
      this.#progress.resolve();
      this.#progress = Promise.withResolvers();
    });
    while (this.#pending > HIGH_WATER_BYTES && this.#ws.readyState === this.#ws.OPEN)
      await this.#nextProgress();
  }

  async #nextProgress(): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      this.#stalled = true;
      reject(new WrennError("deadline_exceeded", `the reader has taken nothing for ${this.#stallMs} ms`));
    }, this.#stallMs);
    try {
      await Promise.race([this.#progress.promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
