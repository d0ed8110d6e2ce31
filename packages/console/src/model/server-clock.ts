// The service's time: time-outs strike by its clock, and the reader's may be minutes off.

/** The header `date` counts whole seconds and is under way for a while: less than this says nothing. */
const INEXACT_MS = 2_000;

export class ServerClock {
  #ahead = 0;

  /** Takes the difference from an answer's `date` header (RFC 9110, 6.6.1). */
  hear(headers: Headers, received = Date.now()): void {
    const ahead = Date.parse(headers.get("date") ?? "") - received;
    if (!Number.isNaN(ahead)) this.#ahead = Math.abs(ahead) < INEXACT_MS ? 0 : ahead;
  }

  /** Milliseconds since the epoch, as the service counts them. */
  now(): number {
    return Date.now() + this.#ahead;
  }
}
