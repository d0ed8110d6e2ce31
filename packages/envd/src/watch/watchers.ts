// Watches whose events are fetched.
import { WrennError } from "@wrenn/core";
import { randomHex } from "../platform/random.ts";
import { watchError } from "./open-watch.ts";
import type { Change, TreeWatch } from "./tree-watch.ts";

/** At a time. */
const MAX_WATCHERS = 64;

/** Changes that are kept for one that does not fetch them. */
const MAX_KEPT = 4096;

interface Watcher<C> {
  watch: Pick<TreeWatch, "next" | "close">;
  /** What the creator needs again when the events are fetched. */
  context: C;
  changes: Change[];
  /** Why some changes are missing. Told once. */
  failure: WrennError | undefined;
}

/** They live until they are removed, across pauses too. */
export class Watchers<C> {
  readonly #watchers = new Map<string, Watcher<C>>();

  /** Errors: `capacity`, or what `open` throws. */
  create(open: () => Watcher<C>["watch"], context: C): string {
    if (this.#watchers.size >= MAX_WATCHERS) {
      throw new WrennError("capacity", `at most ${MAX_WATCHERS} watchers are kept; remove some`);
    }
    const watcher: Watcher<C> = { watch: open(), context, changes: [], failure: undefined };
    const id = randomHex(8);
    this.#watchers.set(id, watcher);
    void this.#collect(watcher);
    return id;
  }

  /** What happened since it was last asked, once each; `capacity` if there was more than could be kept; `not_found`. */
  take(id: string): { changes: Change[]; context: C } {
    const watcher = this.#get(id);
    const { changes, failure, context } = watcher;
    watcher.changes = [];
    watcher.failure = undefined;
    if (failure !== undefined) throw failure;
    return { changes, context };
  }

  remove(id: string): void {
    this.#get(id).watch.close();
    this.#watchers.delete(id);
  }

  async #collect(watcher: Watcher<C>): Promise<void> {
    for (;;) {
      try {
        const changes = await watcher.watch.next();
        if (changes === undefined) return;
        watcher.changes.push(...changes);
      } catch (error) {
        watcher.failure = watchError(error, "watch");
      }
      if (watcher.changes.length <= MAX_KEPT) continue;
      watcher.changes = [];
      watcher.failure ??= new WrennError("capacity", `more than ${MAX_KEPT} events were not fetched in time`);
    }
  }

  #get(id: string): Watcher<C> {
    const watcher = this.#watchers.get(id);
    if (watcher === undefined) throw new WrennError("not_found", `no watcher '${id.slice(0, 64)}'`);
    return watcher;
  }
}
