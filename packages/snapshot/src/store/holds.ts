// Snapshots that something works with right now: nothing collects them, whatever the records on disk say.

export class Holds {
  readonly #counts = new Map<string, number>();
  /** Told when a snapshot's last hold has gone: until now no collection could take it. */
  released: () => void = () => {};

  /** Holds a snapshot until the result is disposed of, which may happen more than once. */
  take(id: string): Disposable {
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        const left = (this.#counts.get(id) ?? 1) - 1;
        if (left > 0) {
          this.#counts.set(id, left);
          return;
        }
        this.#counts.delete(id);
        this.released();
      },
    };
  }

  ids(): string[] {
    return [...this.#counts.keys()];
  }
}
