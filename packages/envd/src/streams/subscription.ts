// One reader of a process's output.
import { WrennError } from "@wrenn/core";

/** Bytes that wait for a reader before the process is held up. */
const HIGH_WATER_BYTES = 128 * 1024;

/** What a reader gets, with the bytes it weighs. */
export interface Delivery<T> {
  event: T;
  bytes: number;
}

/**
 * A queue between a process and one reader. Invariant: at most HIGH_WATER_BYTES plus one round of output
 * wait in it. The side that fills it asks {@link room} and waits; the side that empties it iterates.
 */
export class Subscription<T> {
  readonly #queue: Delivery<T>[] = [];
  readonly #onClose: () => void;
  #bytes = 0;
  #state: "open" | "ended" | "closed" = "open";
  #failure: WrennError | undefined;
  #wakeReader: (() => void) | undefined;
  #wakeWriters: (() => void) | undefined;
  #room: Promise<void> | undefined;
  /** Called when the reader is cut off because it took nothing for too long. */
  onCutOff: (() => void) | undefined;

  constructor(onClose: () => void) {
    this.#onClose = onClose;
  }

  get idle(): boolean {
    return this.#queue.length === 0;
  }

  offer(delivery: Delivery<T>): void {
    if (this.#state !== "open") return;
    this.#queue.push(delivery);
    this.#bytes += delivery.bytes;
    this.#wakeReader?.();
  }

  /**
   * `undefined` when there is room; else resolves when there is, or when the reader has gone. A reader that
   * makes no room within `stallMs` is cut off.
   */
  room(stallMs: number): Promise<void> | undefined {
    if (this.#state !== "open" || this.#bytes < HIGH_WATER_BYTES) return undefined;
    this.#room ??= new Promise((resolve) => {
      const timer = setTimeout(() => this.#cutOff(stallMs), stallMs);
      this.#wakeWriters = () => {
        clearTimeout(timer);
        this.#room = undefined;
        this.#wakeWriters = undefined;
        resolve();
      };
    });
    return this.#room;
  }

  /** The last event: the reader gets what waits, then this, then the end. */
  end(last: T): void {
    this.offer({ event: last, bytes: 0 });
    if (this.#state === "open") this.#state = "ended";
    this.#wakeReader?.();
  }

  /** The reader has gone, or is sent away with an error. What waits is dropped. */
  close(failure?: WrennError): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#failure = failure;
    this.#queue.length = 0;
    this.#wakeReader?.();
    this.#wakeWriters?.();
    this.#onClose();
  }

  /** The next event; `undefined` after the last one. Throws when the reader was sent away. */
  async next(): Promise<T | undefined> {
    for (;;) {
      const delivery = this.#queue.shift();
      if (delivery !== undefined) {
        this.#bytes -= delivery.bytes;
        if (this.#bytes < HIGH_WATER_BYTES) this.#wakeWriters?.();
        return delivery.event;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#state !== "open") return undefined;
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
      this.#wakeReader = undefined;
    }
  }

  #cutOff(stallMs: number): void {
    this.close(
      new WrennError("deadline_exceeded", `nothing of the output was read for ${stallMs / 1000} s; cut off`),
    );
    this.onCutOff?.();
  }
}
