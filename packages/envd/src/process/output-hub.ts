// From one process to all who read its output, at the pace of the slowest.
import { type Delivery, Subscription } from "../streams/subscription.ts";

/** A reader that takes nothing for this long no longer holds the process up. */
export const STALL_MS = 60_000;

/**
 * Hands each event to every subscriber. With none, events are dropped: the process never waits for readers
 * that do not exist, and nothing is kept for later ones but the last event.
 */
export class OutputHub<T> {
  readonly #subscriptions = new Set<Subscription<T>>();
  readonly #stallMs: number;
  #last: T | undefined;

  constructor(stallMs: number = STALL_MS) {
    this.#stallMs = stallMs;
  }

  /** A reader of everything from now on. After the end it gets just the last event. */
  subscribe(): Subscription<T> {
    const subscription = new Subscription<T>(() => this.#subscriptions.delete(subscription));
    if (this.#last === undefined) this.#subscriptions.add(subscription);
    else subscription.end(this.#last);
    return subscription;
  }

  /** Whether somebody reads. */
  get watched(): boolean {
    return this.#subscriptions.size > 0;
  }

  /** Delivers, and resolves once every subscriber has room for more. */
  async publish(deliveries: readonly Delivery<T>[]): Promise<void> {
    for (const subscription of this.#subscriptions) {
      for (const delivery of deliveries) subscription.offer(delivery);
    }
    for (const subscription of [...this.#subscriptions]) {
      for (let wait = subscription.room(this.#stallMs); wait; wait = subscription.room(this.#stallMs))
        await wait;
    }
  }

  /** Delivers the last event and lets the subscribers go. */
  end(last: T): void {
    this.#last = last;
    for (const subscription of this.#subscriptions) subscription.end(last);
    this.#subscriptions.clear();
  }
}
