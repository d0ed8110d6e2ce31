// Brings the database and the hosts back together: at the start, and then again and again.
import type { Logger } from "pino";
import type { Db } from "../db/connect.ts";
import { moveSandbox, noteActivity } from "../db/queries/sandbox-move.ts";
import { knownToHost, liveSandboxesOfHost } from "../db/queries/sandbox-reconcile.ts";
import { dropAbsentBaseTemplates } from "../db/queries/templates.ts";
import type { HostDirectory } from "../hosts/directory.ts";
import type { Host } from "../hosts/host.ts";
import type { InFlight } from "../services/in-flight.ts";
import { type Correction, planCorrections, planStrays } from "./plan.ts";

const LIST_TIMEOUT_MS = 10_000;
const DESTROY_TIMEOUT_MS = 30_000;

/** Request id of the reconciler's calls, in the hosts' logs. */
const REQUEST_ID = "reconciler";

export interface ReconcilerOptions {
  db: Db;
  hosts: HostDirectory;
  inFlight: InFlight;
  log: Logger;
  worker: number;
  /** How long a machine that no row knows is left alone: another control plane may be about to name it. */
  orphanGraceMs: number;
  now?: () => number;
}

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #now: () => number;
  /** When a stray was first seen. */
  readonly #strays = new Map<string, number>();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** One round over all hosts. A host that cannot be reached changes nothing. */
  async run(): Promise<void> {
    const { db, hosts, log } = this.#options;
    await hosts.refresh();
    const reachable = hosts.reachable();
    for (const host of reachable) {
      try {
        await this.#reconcile(host);
      } catch (reason) {
        log.warn({ host_id: host.id, err: reason }, "could not reconcile a host");
      }
    }
    if (hosts.complete) {
      const present = new Set(reachable.flatMap((host) => [...host.templates]));
      await dropAbsentBaseTemplates(db, [...present]);
    }
  }

  async #reconcile(host: Host): Promise<void> {
    const { db, inFlight } = this.#options;
    const isInFlight = (id: string) => inFlight.has(id);
    // The order matters: a row that runs before the list is made must be on the list.
    const rows = await liveSandboxesOfHost(db, host.id);
    const { sandboxes } = await host.client.call(
      "listSandboxes",
      {},
      call(host, "listing the sandboxes", LIST_TIMEOUT_MS),
    );
    const live = new Map(
      sandboxes.map(({ sandboxId: id, status, error }) => [id, { id, status, error }] as const),
    );
    for (const correction of planCorrections(rows, live, isInFlight)) await this.#correct(host, correction);
    await noteActivity(
      db,
      new Map(sandboxes.map((sandbox) => [sandbox.sandboxId, Number(sandbox.lastActiveAtUnix) * 1000])),
    );
    // Read after the list: a row that is made meanwhile is known.
    const known = await knownToHost(db, host.id, [...live.keys()]);
    await this.#destroyStrays(host, planStrays(live.keys(), known, isInFlight));
  }

  async #correct(host: Host, { row, path, error, destroy }: Correction): Promise<void> {
    const { db, log, worker } = this.#options;
    if (destroy) await this.#destroy(host, row.id);
    let current = row.last_updated;
    for (const [step, to] of path.entries()) {
      const settled = step === path.length - 1;
      const set = { ...(error !== undefined && { error }), ...(to === "paused" && { host_ip: null }) };
      const moved = await moveSandbox(db, {
        id: row.id,
        to,
        unchangedSince: current,
        set,
        ...(!settled && { worker }),
      });
      // Somebody else moved it meanwhile: it is theirs.
      if (!moved) return;
      current = moved.last_updated;
    }
    log.info(
      { sandbox_id: row.id, host_id: host.id, from: row.status, to: path.at(-1), reason: error },
      "reconciled",
    );
  }

  async #destroyStrays(host: Host, ids: readonly string[]): Promise<void> {
    const { log, orphanGraceMs } = this.#options;
    const now = this.#now();
    for (const seen of this.#strays.keys()) {
      const [hostId, id] = seen.split(" ");
      if (hostId === host.id && !ids.includes(id ?? "")) this.#strays.delete(seen);
    }
    for (const id of ids) {
      const key = `${host.id} ${id}`;
      const since = this.#strays.get(key) ?? now;
      this.#strays.set(key, since);
      if (now - since < orphanGraceMs) continue;
      await this.#destroy(host, id);
      this.#strays.delete(key);
      log.warn({ sandbox_id: id, host_id: host.id }, "destroyed a sandbox that no row knows");
    }
  }

  async #destroy(host: Host, id: string): Promise<void> {
    await host.client.call(
      "destroySandbox",
      { sandboxId: id },
      call(host, `destroying sandbox ${id}`, DESTROY_TIMEOUT_MS),
    );
  }
}

function call({ id }: Host, what: string, timeoutMs: number) {
  return { attempted: `${what} of host ${id}`, requestId: REQUEST_ID, timeoutMs };
}
