// Taking resources so that a failure half-way gives all of them back.

/** Gives one resource back. "Already gone" counts as success: releases are idempotent. */
export type Release = () => void | Promise<void>;

interface Entry {
  what: string;
  release: Release;
}

/**
 * A stack of releases. Resources are given back in reverse order, each exactly once, and a failing
 * release does not keep the ones below it from running: the failures are joined and thrown at the end.
 *
 *     await using scope = new Scope();
 *     const slot = await scope.take("slot", () => pool.acquire(), (s) => s.release());
 *     ...
 *     const kept = scope.move(); // success: ownership goes to the caller
 */
export class Scope implements AsyncDisposable {
  #entries: Entry[] = [];
  #closed = false;

  /** Runs `acquire` and records how its result is given back. Nothing is recorded when it throws. */
  async take<T>(
    what: string,
    acquire: () => T | Promise<T>,
    release: (value: T) => void | Promise<void>,
  ): Promise<T> {
    this.#assertOpen();
    const value = await acquire();
    if (this.#closed) {
      await release(value);
      this.#assertOpen();
    }
    this.#entries.push({ what, release: () => release(value) });
    return value;
  }

  /** Records a release for something that is already held. */
  defer(what: string, release: Release): void {
    this.#assertOpen();
    this.#entries.push({ what, release });
  }

  /** Hands everything held to a new scope; this one closes with nothing left to give back. */
  move(): Scope {
    this.#assertOpen();
    const next = new Scope();
    next.#entries = this.#entries;
    this.#entries = [];
    this.#closed = true;
    return next;
  }

  /** Gives everything back. Calling it again does nothing. */
  async close(): Promise<void> {
    this.#closed = true;
    const failures: Error[] = [];
    for (let entry = this.#entries.pop(); entry; entry = this.#entries.pop()) {
      try {
        await entry.release();
      } catch (cause) {
        failures.push(new Error(`could not release ${entry.what}`, { cause }));
      }
    }
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, failures.map((f) => f.message).join("; "));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error("scope is closed");
  }
}
