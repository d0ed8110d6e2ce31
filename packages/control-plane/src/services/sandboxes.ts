// The life of a sandbox, as its owner moves it: each status change is a compare-and-set around one RPC.
import type { ForkRequest, RestoreRequest, ResumeRequest } from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import type { Logger } from "pino";
import type { Db } from "../db/connect.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { findSandbox, listSandboxes, type SandboxFilter } from "../db/queries/sandbox-find.ts";
import { markDeleted, moveSandbox, setClock, setNetwork } from "../db/queries/sandbox-move.ts";
import type { SandboxNetwork, SandboxRow } from "../db/schema.ts";
import type { HostDirectory } from "../hosts/directory.ts";
import type { HostClient } from "../hosts/host-client.ts";
import type { Activity } from "./activity.ts";
import { atTime } from "./at-time.ts";
import type { Caller } from "./caller.ts";
import { offerColdStart } from "./cold-start.ts";
import { type CreateOptions, createSandbox } from "./create-sandbox.ts";
import { egressOf } from "./egress.ts";
import { forkSandbox } from "./fork-sandbox.ts";
import type { InFlight } from "./in-flight.ts";
import { notOnHost } from "./not-on-host.ts";
import { restoreSandbox } from "./restore-sandbox.ts";
import { sandboxEvent } from "./sandbox-event.ts";
import type { TemplateService } from "./templates.ts";
import { type Arrival, type Transition, transit } from "./transit.ts";

export interface SandboxContext {
  db: Db;
  hosts: HostDirectory;
  templates: TemplateService;
  activity: Activity;
  inFlight: InFlight;
  log: Logger;
  /** This process, for rows that are between two settled statuses. */
  worker: number;
  maxRunning: number;
  createTimeoutMs: number;
  /** Told that a row was left unsettled, for the reconciler to look at soon. */
  unsettled: () => void;
}

/** Below the 10 s within which a deletion is answered. */
const DESTROY_TIMEOUT_MS = 9_000;
/** Saving memory to a slow disk, and loading it. */
const PAUSE_TIMEOUT_MS = 180_000;
const RESUME_TIMEOUT_MS = 180_000;
const PING_TIMEOUT_MS = 10_000;

export class SandboxService {
  readonly #context: SandboxContext;

  constructor(context: SandboxContext) {
    this.#context = context;
  }

  /** Makes a sandbox and returns it running. Goes on to an end when the client hangs up. */
  create(caller: Caller, request: CreateOptions): Promise<SandboxRow> {
    return createSandbox(this.#context, caller, request);
  }

  /** A sandbox of the caller's. Throws `not_found`. */
  async get(caller: Caller, id: string): Promise<SandboxRow> {
    const row = await findSandbox(this.#context.db, caller.owner, id);
    if (!row) throw new WrennError("not_found", `you have no sandbox ${id}`);
    return row;
  }

  list(caller: Caller, filter: Omit<SandboxFilter, "owner">): Promise<SandboxRow[]> {
    return listSandboxes(this.#context.db, { ...filter, owner: caller.owner });
  }

  /**
   * Ends a sandbox in whatever status it is. When its host cannot be reached, or is not done in time, the row is
   * stopped all the same: the reconciler destroys what is left there.
   */
  async destroy(caller: Caller, row: SandboxRow): Promise<void> {
    try {
      const context = call(caller, `deleting sandbox ${row.id}`, DESTROY_TIMEOUT_MS);
      await this.#client(row).call("destroySandbox", { sandboxId: row.id }, context);
    } catch (reason) {
      if (!(reason instanceof WrennError) || !LATER.includes(reason.code)) throw reason;
      this.#context.log.warn(
        { sandbox_id: row.id, err: reason },
        "deleted, but its host has not done so yet",
      );
    }
    const audit = sandboxEvent("delete", caller, row.id);
    const { db } = this.#context;
    const end = () => moveSandbox(db, { id: row.id, to: "stopped", deleted: true, audit });
    if ((await end()) || (await markDeleted(db, row.id))) return;
    // Already deleted; or one that had ended was being resumed between the two.
    await end();
  }

  /** Saves a running sandbox to disk. */
  async pause(caller: Caller, row: SandboxRow): Promise<SandboxRow> {
    const context = call(caller, `pausing sandbox ${row.id}`, PAUSE_TIMEOUT_MS);
    return await transit(this.#context, row, PAUSING, async () => {
      const { phaseMicros } = await this.#client(row).call("pauseSandbox", { sandboxId: row.id }, context);
      const phases = Object.entries(phaseMicros).map(([phase, micros]) => [phase, Number(micros) / 1000]);
      this.#context.log.info({ sandbox_id: row.id, phases_ms: Object.fromEntries(phases) }, "paused");
      return paused(caller, row);
    });
  }

  /** Pauses a running sandbox by another call to its host; `act` returns the status that it left. */
  async pauseWith<T extends { status: string }>(
    caller: Caller,
    row: SandboxRow,
    act: () => Promise<T>,
  ): Promise<T> {
    let result: T | undefined;
    await transit(this.#context, row, PAUSING, async () => {
      result = await act();
      return result.status === "running" ? { to: "running" } : paused(caller, row);
    });
    return result as T;
  }

  /** Continues a paused sandbox, or one that ended unasked and has left something, with the time-out that it had unless there is another one. Throws `capacity` when there is no place for it. */
  async resume(
    caller: Caller,
    row: SandboxRow,
    { start, timeoutSec = row.timeout_sec }: ResumeRequest & { timeoutSec?: number } = {},
  ): Promise<SandboxRow> {
    const context = call(caller, `resuming sandbox ${row.id}`, RESUME_TIMEOUT_MS);
    const message = { sandboxId: row.id, timeoutSec, start: start ?? "" };
    // What ended without being asked to may have left its disk with its host.
    const from = row.status === "stopped" ? "stopped" : "paused";
    const audit = sandboxEvent("resume", caller, row.id, start === undefined ? {} : { start });
    return await transit(this.#context, row, { from, via: "resuming" }, async () => {
      const { hostIp, expiresAtUnixMs } = await this.#client(row)
        .call("resumeSandbox", message, context)
        .catch(offerColdStart('resume it with {"start":"cold"}', start));
      const set = {
        host_ip: hostIp || null,
        error: null,
        timeout_sec: timeoutSec,
        expires_at: atTime(row.ttl_mode === "deadline" ? expiresAtUnixMs : 0n),
      };
      return { to: "running", set, audit };
    });
  }

  /** Copies a running sandbox; the copies run. All of them come to be, or none. */
  async fork(caller: Caller, row: SandboxRow, request: ForkRequest): Promise<SandboxRow[]> {
    const forks = await forkSandbox(this.#context, caller, row, request);
    await this.#audit("fork", caller, row.id, { forks: forks.map(({ id }) => id) });
    return forks;
  }

  /** Rolls a running or paused sandbox back to a snapshot or base template that the caller may use. */
  restore(caller: Caller, row: SandboxRow, request: RestoreRequest): Promise<SandboxRow> {
    return restoreSandbox(this.#context, caller, row, request);
  }

  /**
   * Gives a running sandbox `timeoutSec` from now on, whatever it does meanwhile; `extendOnly` never shortens what it
   * has, and leaves one that goes by inactivity as it is. The row when it was changed, else as it was.
   */
  async setTimeout(
    caller: Caller,
    row: SandboxRow,
    { timeoutSec, extendOnly }: { timeoutSec: number; extendOnly: boolean },
  ): Promise<SandboxRow> {
    const context = call(caller, `setting the time-out of sandbox ${row.id}`, PING_TIMEOUT_MS);
    const message = { sandboxId: row.id, timeoutSec, extendOnly };
    const answer = await this.#client(row).call("setTimeout", message, context);
    if (answer.ttlMode !== "deadline") return row;
    const clock = { timeout_sec: answer.timeoutSec, expires_at: atTime(answer.expiresAtUnixMs) };
    return (await setClock(this.#context.db, row.id, clock)) ?? row;
  }

  /** Replaces the rules for where a running or paused sandbox goes. The rest of what is said about its network stays. */
  async setNetwork(
    caller: Caller,
    row: SandboxRow,
    rules: Pick<SandboxNetwork, "allowOut" | "denyOut" | "allowInternetAccess">,
  ): Promise<void> {
    const { allowOut: _a, denyOut: _d, allowInternetAccess: _i, ...kept } = row.network ?? {};
    const network = { ...kept, ...rules };
    const context = call(caller, `changing the network of sandbox ${row.id}`, PING_TIMEOUT_MS);
    await this.#client(row).call("setEgress", { sandboxId: row.id, egress: egressOf(network) }, context);
    await setNetwork(this.#context.db, row.id, network);
    await this.#audit("network", caller, row.id);
  }

  /** Restarts the inactivity clock. */
  async ping(caller: Caller, row: SandboxRow): Promise<void> {
    const context = call(caller, `pinging sandbox ${row.id}`, PING_TIMEOUT_MS);
    await this.#client(row).call("pingSandbox", { sandboxId: row.id }, context).catch(notOnHost(row.id));
    this.#context.activity.note(row.id);
  }

  #client({ host_id }: SandboxRow): HostClient {
    return this.#context.hosts.get(host_id).client;
  }

  async #audit(...of: Parameters<typeof sandboxEvent>): Promise<void> {
    await recordAudit(this.#context.db, sandboxEvent(...of));
  }
}

const PAUSING: Transition = { from: "running", via: "pausing" };

function paused(caller: Caller, { id }: SandboxRow): Arrival {
  const audit = sandboxEvent("pause", caller, id);
  return { to: "paused", set: { host_ip: null, expires_at: null }, audit };
}

/** Failures of a deletion after which the host, or the reconciler, will have it done. */
const LATER: readonly string[] = ["unavailable", "deadline_exceeded"];

function call(caller: Caller, attempted: string, timeoutMs: number) {
  return { attempted, requestId: caller.requestId, timeoutMs };
}
