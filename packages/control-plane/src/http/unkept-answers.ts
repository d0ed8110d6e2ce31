// Answers that the database did not take, in memory until it takes them.
import { MIB } from "@wrenn/core";
import { IDEMPOTENCY_KEPT_HOURS, type KeptAnswer } from "../db/queries/idempotency.ts";

const KEPT_MS = IDEMPOTENCY_KEPT_HOURS * 3_600_000;

export interface UnkeptAnswer {
  /** Of the request that it answers. */
  fingerprint: Buffer;
  answer: KeptAnswer;
}

export interface UnkeptOptions {
  /** Answers at most. */
  maxAnswers?: number;
  /** Characters in all their bodies at most. */
  maxSize?: number;
  /** Milliseconds of a clock that is never set. */
  now?: () => number;
}

interface Entry extends UnkeptAnswer {
  until: number;
}

/**
 * Each is gone when it is as old as the database would let it become, and counts as new when it is asked for, because
 * that claims its row anew. Beyond the bounds the oldest ones go.
 */
export class UnkeptAnswers {
  /** By subject, oldest first. */
  readonly #entries = new Map<string, Entry>();
  readonly #maxAnswers: number;
  readonly #maxSize: number;
  readonly #now: () => number;
  #size = 0;
  #forgottenUntil = Number.NEGATIVE_INFINITY;

  constructor({ maxAnswers = 1_000, maxSize = 32 * MIB, now = () => performance.now() }: UnkeptOptions = {}) {
    this.#maxAnswers = maxAnswers;
    this.#maxSize = maxSize;
    this.#now = now;
  }

  /** Whether an answer had to go before its time: then work may have been done that nothing here tells of. */
  get hasForgotten(): boolean {
    return this.#now() < this.#forgottenUntil;
  }

  /** The answer for that subject. It counts as new. */
  get(subject: string): UnkeptAnswer | undefined {
    this.#dropOld();
    const entry = this.#entries.get(subject);
    if (entry) this.add(subject, entry);
    return entry;
  }

  add(subject: string, { fingerprint, answer }: UnkeptAnswer): void {
    this.delete(subject);
    this.#dropOld();
    this.#entries.set(subject, { fingerprint, answer, until: this.#now() + KEPT_MS });
    this.#size += sizeOf(answer);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxAnswers && this.#size <= this.#maxSize) break;
      this.delete(oldest);
      this.#forgottenUntil = this.#now() + KEPT_MS;
    }
  }

  delete(subject: string): void {
    const entry = this.#entries.get(subject);
    if (!entry) return;
    this.#entries.delete(subject);
    this.#size -= sizeOf(entry.answer);
  }

  #dropOld(): void {
    for (const [subject, { until }] of this.#entries) {
      if (until > this.#now()) return;
      this.delete(subject);
    }
  }
}

function sizeOf({ body = "" }: KeptAnswer): number {
  return body.length;
}
