// The sandboxes as the page knows them: from lists, and from the answers to what was done meanwhile.
import type { Sandbox } from "@wrenn/sdk";

interface Entry {
  sandbox: Sandbox;
  /** When it was learnt, counted in changes. */
  at: number;
}

/**
 * A list takes a while to arrive and shows what was; an answer that came after it was asked for is newer. So each
 * entry remembers when it was learnt, and a list leaves alone what is younger than its beginning.
 */
export class SandboxList {
  readonly #entries = new Map<string, Entry>();
  #clock = 0;

  /** Takes over the answer to a call. */
  put(sandbox: Sandbox): void {
    this.#entries.set(sandbox.id, { sandbox, at: ++this.#clock });
  }

  /** Notes that a sandbox was deleted, which the service will say of it from now on. */
  markDeleted(id: string, at: Date): void {
    const entry = this.#entries.get(id);
    if (entry) this.put({ ...entry.sandbox, status: "stopped", deleted_at: at.toISOString() });
  }

  /** Call before asking for a list, and the result with what came. */
  beginListing(): (listed: readonly Sandbox[]) => void {
    const begun = this.#clock;
    return (listed) => {
      const known = new Set(listed.map(({ id }) => id));
      for (const [id, { at }] of this.#entries) {
        if (!known.has(id) && at <= begun) this.#entries.delete(id);
      }
      for (const sandbox of listed) {
        const entry = this.#entries.get(sandbox.id);
        if (!entry || entry.at <= begun) this.#entries.set(sandbox.id, { sandbox, at: begun });
      }
    };
  }

  get(id: string): Sandbox | undefined {
    return this.#entries.get(id)?.sandbox;
  }

  /** Newest first. */
  all(): Sandbox[] {
    const sandboxes = [...this.#entries.values()].map(({ sandbox }) => sandbox);
    return sandboxes.sort((a, b) => compare(b.created_at, a.created_at) || compare(b.id, a.id));
  }

  clear(): void {
    this.#entries.clear();
  }
}

/** Whether a sandbox is one that the words of a filter name: each must occur in its id, template, status or labels. */
export function matches(sandbox: Sandbox, filter: string): boolean {
  const { id, status, template, isolation, metadata } = sandbox;
  const labels = Object.entries(metadata).map(([key, value]) => `${key}=${value}`);
  const text = [id, status, template, isolation, ...labels].join("\n").toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
