// The sandboxes of this machine by their id, and the uses that are made of those that run.
import { assertSandboxId, WrennError } from "@wrenn/core";
import type { GuestClient } from "../guest/client.ts";
import type { User } from "../storage/storage.ts";
import type { SandboxRecord } from "./record.ts";
import { runningOf, Sandbox } from "./sandbox.ts";

/** One use of a running sandbox. */
export interface Visit {
  guest: GuestClient;
  /** Aborted when the sandbox leaves `running`. */
  gone: AbortSignal;
  /** See {@link Sandbox.terminals}. */
  terminals: Set<number>;
  /** Marks the end of the use; may be called more than once. */
  end(): void;
}

export class SandboxTable {
  readonly #sandboxes = new Map<string, Sandbox>();

  /** Adds a sandbox to be. Throws `already_exists`. */
  register(record: SandboxRecord): Sandbox {
    if (this.#sandboxes.has(record.id)) {
      throw new WrennError("already_exists", `sandbox ${record.id} exists on this host`, {
        field: "sandbox_id",
      });
    }
    const sandbox = new Sandbox(record);
    this.#sandboxes.set(record.id, sandbox);
    return sandbox;
  }

  /** Takes in a sandbox of an earlier agent's. */
  takeIn(sandbox: Sandbox): void {
    this.#sandboxes.set(sandbox.id, sandbox);
  }

  /** The same without an error. */
  find(id: string): Sandbox | undefined {
    assertSandboxId(id);
    return this.#sandboxes.get(id);
  }

  /** Whether this very sandbox is still known: it is not, once it has been freed. */
  holds(sandbox: Sandbox): boolean {
    return this.#sandboxes.get(sandbox.id) === sandbox;
  }

  drop(sandbox: Sandbox): void {
    if (this.holds(sandbox)) this.#sandboxes.delete(sandbox.id);
  }

  /** The sandbox of that id, in any state. Throws `not_found`. */
  get(id: string): Sandbox {
    assertSandboxId(id);
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) throw new WrennError("not_found", `no sandbox ${id} on this host`);
    return sandbox;
  }

  list(): Sandbox[] {
    return [...this.#sandboxes.values()];
  }

  /**
   * Runs an operation on a running guest. Counts as activity while it lasts; its signal is aborted when the sandbox goes
   * away. Throws `not_found`, or `invalid_state` when the sandbox does not run.
   */
  async use<T>(id: string, operation: (guest: GuestClient, gone: AbortSignal) => Promise<T>): Promise<T> {
    const { guest, gone, end } = this.enter(id);
    try {
      return await operation(guest, gone);
    } finally {
      end();
    }
  }

  /** As {@link use}, for operations whose end the caller marks itself (streams). */
  enter(id: string): Visit {
    const sandbox = this.get(id);
    const { guest } = runningOf(sandbox, "this");
    return {
      guest,
      gone: AbortSignal.any([sandbox.gone.signal, sandbox.left.signal]),
      terminals: sandbox.terminals,
      end: sandbox.activity.begin(),
    };
  }

  /** Who needs which snapshots and images, and has which files of its own. */
  users(filesOf: (record: SandboxRecord) => string[]): User[] {
    return this.list().map(({ id, record, claims }) => ({
      label: `sandbox ${id}`,
      snapshots: [...new Set(claims.flatMap(snapshotsOf))],
      layers: [...new Set(claims.flatMap(layersOf))],
      images: [...new Set(claims.flatMap(imagesOf))],
      own: { id, files: filesOf(record) },
    }));
  }
}

function snapshotsOf({ snapshot, life }: SandboxRecord): string[] {
  return [snapshot, life?.base].filter((id) => id != null);
}

function layersOf({ layers }: SandboxRecord): string[] {
  return layers.flatMap((layer) => (layer.kind === "snapshot" ? [layer.id] : []));
}

function imagesOf({ layers, life }: SandboxRecord): string[] {
  const below = layers.flatMap((layer) => (layer.kind === "image" ? [layer.name] : []));
  return [...below, ...(life ? Object.values(life.guest) : [])];
}
