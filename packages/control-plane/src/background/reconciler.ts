// Brings the database and the hosts back together: at the start, and then again and again.
import type { Logger } from "pino";
import type { Db } from "../db/connect.ts";
import { type Move, moveSandbox, noteActivity } from "../db/queries/sandbox-move.ts";
import {
  endedOnHost,
  liveSandboxesOfHost,
  type ReconcileRow,
  wantedSandboxes,
} from "../db/queries/sandbox-reconcile.ts";
import { namesOfStores } from "../db/queries/snapshots.ts";
import { dropAbsentBaseTemplates } from "../db/queries/templates.ts";
import { liveWorkers } from "../db/worker.ts";
import type { HostDirectory } from "../hosts/directory.ts";
import type { Host } from "../hosts/host.ts";
import { atTime } from "../services/at-time.ts";
import type { InFlight } from "../services/in-flight.ts";
import { makerOf } from "../services/store-name.ts";
import { Foreign } from "./foreign.ts";
import { type Correction, GONE, type LiveSandbox, planCorrections, planReturn, planStrays } from "./plan.ts";
import type { ReportCollector } from "./report-collector.ts";
import { Strays } from "./strays.ts";

const LIST_TIMEOUT_MS = 10_000;
const DESTROY_TIMEOUT_MS = 30_000;

/** Request id of the reconciler's calls, in the hosts' logs. */
const REQUEST_ID = "reconciler";

export interface ReconcilerOptions {
  db: Db;
  hosts: HostDirectory;
  inFlight: InFlight;
  reports: ReportCollector;
  log: Logger;
  worker: number;
  /** How long a machine that no row knows is left alone: another control plane may be about to name it. */
  orphanGraceMs: number;
  now?: () => number;
}

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #strays: Strays;
  readonly #foreign: Foreign;
  /** Addresses of the hosts whose sandboxes have been compared with their rows since they answer. */
  readonly #compared = new Set<string>();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#strays = new Strays({ graceMs: options.orphanGraceMs, ...(options.now && { now: options.now }) });
    this.#foreign = new Foreign(options);
  }

  /** Whether the rows of a host's sandboxes say what the host says: false until the first round after its return. */
  hasCompared({ address }: Host): boolean {
    return this.#compared.has(address);
  }

  /** A host has stopped answering: what it does from now on is not known. */
  lose(address: string): void {
    this.#compared.delete(address);
  }

  /** One round over all hosts. A host that cannot be reached changes nothing. */
  async run(): Promise<void> {
    const { db, hosts, log } = this.#options;
    await hosts.refresh();
    const reachable = hosts.reachable();
    for (const host of reachable) {
      try {
        await this.#reconcile(host);
        this.#compared.add(host.address);
      } catch (reason) {
        log.warn({ host_id: host.id, err: reason }, "could not reconcile a host");
      }
    }
    if (hosts.complete) {
      const present = new Set(reachable.flatMap((host) => [...host.templates]));
      await dropAbsentBaseTemplates(db, { present: [...present], settledMs: hosts.roundMs });
    }
  }

  async #reconcile(host: Host): Promise<void> {
    const { db, inFlight, worker } = this.#options;
    const isInFlight = (id: string) => inFlight.has(id);
    const isAttended = ({ id, orphaned, worker: by }: ReconcileRow) =>
      isInFlight(id) || (!orphaned && by !== worker);
    // The order matters: a row that runs before the list is made must be on the list.
    const rows = await liveSandboxesOfHost(db, host.id);
    const { sandboxes } = await host.client.call(
      "listSandboxes",
      {},
      call(host, "listing the sandboxes", LIST_TIMEOUT_MS),
    );
    const live = new Map<string, LiveSandbox>(
      sandboxes.map((sandbox) => [sandbox.sandboxId, { ...sandbox, id: sandbox.sandboxId }]),
    );
    const corrections = planCorrections(rows, live, isAttended);
    // The host reports first and lets go then: its reason is better than that there is nothing.
    if (corrections.some(({ error }) => error === GONE)) await this.#options.reports.collect(host);
    for (const correction of corrections) await this.#correct(host, correction);
    await noteActivity(
      db,
      new Map(sandboxes.map((sandbox) => [sandbox.sandboxId, Number(sandbox.lastActiveAtUnix) * 1000])),
    );
    // Read after the list: a row that is made meanwhile is known.
    const known = await wantedSandboxes(db, [...live.keys()]);
    const foreignSandboxes = await this.#destroyStrays(
      host,
      live,
      planStrays(live.keys(), known, isInFlight),
    );
    await this.#takeBack(host, live);
    const foreignContents = await this.#dropNamelessContent(host);
    this.#foreign.tell(host, { sandboxes: foreignSandboxes, contents: foreignContents });
  }

  /** The row first: when it has changed since it was read, its machine is somebody's. */
  async #correct(host: Host, { row, path, error, running, destroy }: Correction): Promise<void> {
    const { db, log, worker } = this.#options;
    let current = row;
    for (const [step, to] of path.entries()) {
      const settled = step === path.length - 1;
      const set = {
        ...(error !== undefined && { error }),
        ...(to === "paused" && { host_ip: null, expires_at: null }),
        ...(to === "running" && running && lifeOf(running)),
        // A new life, as when the answer had come: what is said of the one before is over.
        ...(to === "running" && current.status === "resuming" && { error: null }),
      };
      const moved = await moveSandbox(db, {
        id: row.id,
        from: [current.status],
        to,
        unmovedSince: current.moves,
        set,
        ...(destroy && { deleted: true }),
        ...(!settled && { worker }),
      });
      // Somebody else moved it meanwhile: it is theirs.
      if (!moved) return;
      current = { ...moved, orphaned: false };
    }
    log.info(
      { sandbox_id: row.id, host_id: host.id, from: row.status, to: path.at(-1), reason: error },
      "reconciled",
    );
    // What is left there after a failure is a stray of the next rounds.
    if (destroy) await this.#destroy(host, row.id, "whose start was interrupted");
  }

  /** Returns how many were left, as they may be another database's. */
  async #destroyStrays(
    host: Host,
    live: ReadonlyMap<string, LiveSandbox>,
    ids: readonly string[],
  ): Promise<number> {
    const ripe = this.#strays.ripe(`sandboxes of ${host.id}`, ids);
    const made = new Map(ripe.map((id) => [id, Number(live.get(id)?.createdAtUnix ?? 0)]));
    const foreign = await this.#foreign.among(host, made);
    for (const id of ripe) {
      if (foreign.has(id)) continue;
      // Asked again: the ones before it took their time.
      const { db, inFlight } = this.#options;
      if (inFlight.has(id) || (await wantedSandboxes(db, [id])).has(id)) continue;
      await this.#destroy(host, id, "that no row knows");
    }
    return foreign.size;
  }

  /**
   * Sandboxes that have ended by their rows, and that the host has whole for longer than it takes to end them: a report was
   * older than their resume, or what could not be read there has been mended.
   */
  async #takeBack(host: Host, live: ReadonlyMap<string, LiveSandbox>): Promise<void> {
    const { db, inFlight } = this.#options;
    const whole = [...live.values()].filter(({ status }) => status === "running" || status === "paused");
    const rows = await endedOnHost(
      db,
      host.id,
      whole.map(({ id }) => id),
    );
    const ripe = new Set(
      this.#strays.ripe(
        `ended on ${host.id}`,
        rows.map(({ id }) => id),
      ),
    );
    for (const row of rows) {
      if (!ripe.has(row.id) || inFlight.has(row.id)) continue;
      const correction = planReturn(row, live.get(row.id));
      if (correction) await this.#correct(host, correction);
    }
  }

  /**
   * Content of snapshots that were overwritten, deleted, or never got their name. Returns how much was left, as it may be
   * another database's.
   */
  async #dropNamelessContent(host: Host): Promise<number> {
    const { db, inFlight, log, worker } = this.#options;
    const made = [...host.snapshots, ...host.passing].filter((name) => makerOf(name) !== undefined);
    if (made.length === 0) return 0;
    const named = await namesOfStores(db, made);
    const alive = await liveWorkers(db);
    const nameless = made.filter((name) => {
      const maker = makerOf(name) ?? 0;
      const inTheMaking = maker === worker ? inFlight.has(name) : alive.has(maker);
      return !named.has(name) && !inTheMaking;
    });
    const ripe = this.#strays.ripe(`snapshots of ${host.id}`, nameless);
    const byOthers = ripe.filter((name) => makerOf(name) !== worker);
    const madeAt = new Map(byOthers.map((name) => [name, host.madeAt.get(name) ?? 0]));
    const foreign = await this.#foreign.among(host, madeAt);
    for (const name of ripe) {
      if (foreign.has(name)) continue;
      const context = call(host, `deleting content ${name}`, DESTROY_TIMEOUT_MS);
      try {
        await host.client.call(
          host.passing.has(name) ? "deleteTemplate" : "deleteSnapshot",
          { name },
          context,
        );
        log.info({ content: name, host_id: host.id }, "deleted a snapshot's content that has no name");
      } catch (err) {
        log.warn({ content: name, host_id: host.id, err }, "could not delete a snapshot's content yet");
      }
    }
    return foreign.size;
  }

  /** One that cannot be destroyed holds nothing else up; the next rounds try again. */
  async #destroy(host: Host, id: string, which: string): Promise<void> {
    const { log } = this.#options;
    const context = call(host, `destroying sandbox ${id}`, DESTROY_TIMEOUT_MS);
    try {
      await host.client.call("destroySandbox", { sandboxId: id }, context);
      log.warn({ sandbox_id: id, host_id: host.id }, `destroyed a sandbox ${which}`);
    } catch (err) {
      log.warn({ sandbox_id: id, host_id: host.id, err }, `could not destroy a sandbox ${which} yet`);
    }
  }
}

/** What an answer would have said of the life that has begun. A host of an earlier version says less. */
function lifeOf({ hostIp, diskMb, timeoutSec, ttlMode, expiresAtUnixMs }: LiveSandbox): Move["set"] {
  const isDeadline = ttlMode === "deadline";
  return {
    ...(hostIp !== "" && { host_ip: hostIp }),
    ...(diskMb > 0 && { disk_mb: diskMb }),
    ...((isDeadline || ttlMode === "inactivity") && {
      ttl_mode: ttlMode,
      timeout_sec: timeoutSec,
      expires_at: isDeadline ? atTime(expiresAtUnixMs) : null,
    }),
  };
}

function call({ id }: Host, what: string, timeoutMs: number) {
  return { attempted: `${what} of host ${id}`, requestId: REQUEST_ID, timeoutMs };
}
