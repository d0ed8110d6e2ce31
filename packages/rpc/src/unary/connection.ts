// A connection of the calling end: one call at a time, until either side closes it.
import type { Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { FrameReader, TooLarge } from "./frame.ts";

/** Told how its exchange went: exactly one of the two, once. */
export interface Waiting {
  done(frame: Buffer): void;
  failed(reason: unknown): void;
}

export class Connection {
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  #waiting: Waiting | undefined;

  /** `onClose` is called once, when no further call can go over it. */
  constructor(socket: Socket, { maxBytes, onClose }: { maxBytes: number; onClose: () => void }) {
    this.#socket = socket;
    this.#reader = new FrameReader(maxBytes);
    socket.setNoDelay(true);
    // The other side may vanish without a word; calls have deadlines, connections that wait for one have this.
    socket.setKeepAlive(true, 30_000);
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", (reason) => this.destroy(reason));
    socket.once("close", () => {
      onClose();
      this.#settle()?.failed(
        new ConnectError("the connection was closed before the answer", Code.Unavailable),
      );
    });
  }

  /** Whether another call can go over it, now that none is under way. */
  get reusable(): boolean {
    // An answer that came before the whole question leaves the other side in the middle of it.
    return this.#socket.readable && this.#socket.writable && this.#socket.writableLength === 0;
  }

  /** Sends a call. There must be none under way. */
  begin(frame: Buffer, waiting: Waiting): void {
    this.#waiting = waiting;
    this.#socket.write(frame);
  }

  /** Closes it; the call under way, if any, fails for that reason. */
  destroy(reason: unknown): void {
    this.#settle()?.failed(reason);
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    // Nobody has asked. The next call would take it, or what comes of it, for its answer.
    if (!this.#waiting) {
      this.#socket.destroy();
      return;
    }
    try {
      const frame = this.#reader.push(chunk);
      if (frame === undefined) return;
      this.#settle()?.done(frame);
    } catch (reason) {
      const code = reason instanceof TooLarge ? Code.ResourceExhausted : Code.Internal;
      this.destroy(ConnectError.from(reason, code));
    }
  }

  #settle(): Waiting | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting;
  }
}
