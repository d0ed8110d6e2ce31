// Who is attached to what this agent streams, and what it means when they leave.
import type { WrennError } from "@wrenn/core";

/**
 * How long a hold lasts when nobody ends it, in milliseconds of the guest's time (which stands still while it is
 * frozen): long enough for a clone's `/init`, and a host that forgot leaves no process without its master for ever.
 */
const HOLD_MS = 30_000;

/** A stream that can be ended from inside. */
export interface Stream {
  /** Its reader gets this as the stream's last word. */
  close(reason: WrennError): void;
}

/**
 * A caller that goes away may take its process along (`kill_on_disconnect`). A snapshot takes callers away as well,
 * from the outside: in the copy that is continued their connections are dead. Nothing on a connection tells the two
 * apart, so the host says beforehand that it is about to freeze the guest ({@link hold}).
 */
export class Attachments {
  readonly #streams = new Map<Stream, () => void>();
  /** What those wanted who left during a hold. */
  readonly #deferred = new Set<() => void>();
  #hold: NodeJS.Timeout | undefined;

  /**
   * Notes a stream. The result is to be called once, when the stream is over for whatever reason: it runs `onLeave`,
   * after the hold if there is one, and not at all for a stream that was {@link detachAll detached}.
   */
  attach(stream: Stream, onLeave: () => void = () => {}): () => void {
    this.#streams.set(stream, onLeave);
    return () => {
      if (!this.#streams.delete(stream)) return;
      if (this.#hold === undefined) onLeave();
      else this.#deferred.add(onLeave);
    };
  }

  /** From here on nobody's leaving has a consequence, until {@link release}, or for ever with {@link detachAll}. */
  hold(): void {
    clearTimeout(this.#hold);
    this.#hold = setTimeout(() => this.release(), HOLD_MS);
    this.#hold.unref();
  }

  /** The guest goes on as the one it was: whoever left in between has left. */
  release(): void {
    clearTimeout(this.#hold);
    this.#hold = undefined;
    const deferred = [...this.#deferred];
    this.#deferred.clear();
    for (const onLeave of deferred) onLeave();
  }

  /** Ends every stream; what is behind it lives on, also behind those that were lost during a hold. */
  detachAll(reason: WrennError): void {
    const streams = [...this.#streams.keys()];
    this.#streams.clear();
    this.#deferred.clear();
    for (const stream of streams) stream.close(reason);
  }
}
