// Saved memory that misbehaves at one page, as disks do: opened in the thread that serves, steered from the test.
import type { LazyPages, LazyPagesRef } from "@wrenn/core";
import { openLazyPages as openSaved } from "@wrenn/snapshot";

interface GatedData {
  saved: LazyPagesRef;
  page: number;
  /** What happens when that page is read: it waits until the gate is open, it fails, or the thread ends. */
  what: "wait" | "fail" | "exit";
  /** Two 32-bit numbers: whether the gate is open, how many wait. */
  gate: SharedArrayBuffer;
}

/** Opened from anywhere, once. */
export class Gate {
  readonly memory = new SharedArrayBuffer(8);
  readonly #words = new Int32Array(this.memory);

  open(): void {
    Atomics.store(this.#words, 0, 1);
    Atomics.notify(this.#words, 0);
  }

  waiting(): number {
    return Atomics.load(this.#words, 1);
  }
}

export function gatedRef(
  saved: LazyPagesRef,
  page: number,
  what: GatedData["what"],
  gate = new Gate(),
): LazyPagesRef {
  return { module: import.meta.url, data: { saved, page, what, gate: gate.memory } satisfies GatedData };
}

export function openLazyPages(data: unknown): LazyPages {
  const { saved, page: gated, what, gate } = data as GatedData;
  const inner = openSaved(saved.data);
  const words = new Int32Array(gate);
  return {
    pages: inner.pages,
    workingSet: inner.workingSet,
    run: (page, limit) => inner.run(page, limit),
    read(page, into) {
      if (page <= gated && gated < page + into.length / 4096) {
        if (what === "fail") throw new Error("the disk is gone");
        if (what === "exit") process.exit(3);
        Atomics.add(words, 1, 1);
        Atomics.wait(words, 0, 0);
      }
      inner.read(page, into);
    },
    [Symbol.dispose]: () => inner[Symbol.dispose](),
  };
}
