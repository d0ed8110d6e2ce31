// The life of a sandbox, as its owner moves it: each status change is a compare-and-set around one RPC.
import type { CreateSandboxRequest } from "@wrenn/api";
import { type SandboxStatus, WrennError } from "@wrenn/core";
import type { Logger } from "pino";
import type { Db } from "../db/connect.ts";
import { type AuditEvent, recordAudit } from "../db/queries/audit.ts";
import { findSandbox, listSandboxes, type SandboxFilter } from "../db/queries/sandbox-find.ts";
import { moveSandbox } from "../db/queries/sandbox-move.ts";
import type { SandboxRow } from "../db/schema.ts";
import type { HostDirectory } from "../hosts/directory.ts";
import type { Activity } from "./activity.ts";
import type { Caller } from "./caller.ts";
import { createSandbox } from "./create-sandbox.ts";
import type { InFlight } from "./in-flight.ts";
import type { TemplateService } from "./templates.ts";

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
}

/** Below the 10 s within which a deletion is answered. */
const DESTROY_TIMEOUT_MS = 9_000;
/** Saving memory to a slow disk, and loading it. */
const PAUSE_TIMEOUT_MS = 180_000;
const RESUME_TIMEOUT_MS = 180_000;
const PING_TIMEOUT_MS = 10_000;

/** After these nobody knows what the host did; the reconciler finds out. */
const UNCERTAIN: readonly string[] = ["unavailable", "deadline_exceeded", "internal"];

export class SandboxService {
  readonly #context: SandboxContext;

  constructor(context: SandboxContext) {
    this.#context = context;
  }

  /** Makes a sandbox and returns it running. Goes on to an end when the client hangs up. */
  async create(caller: Caller, request: CreateSandboxRequest): Promise<SandboxRow> {
    const row = await createSandbox(this.#context, caller, request);
    await this.#audit({
      action: "sandbox.create",
      subject: row.id,
      by: caller,
      detail: { template: row.template },
    });
    return row;
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
   * Ends a sandbox in whatever status it is. When its host cannot be reached the row is stopped all the same:
   * the reconciler destroys what is left there once the host is back.
   */
  async destroy(caller: Caller, row: SandboxRow): Promise<void> {
    if (row.status === "stopped") return;
    const { db, hosts, log } = this.#context;
    try {
      const context = call(caller, `deleting sandbox ${row.id}`, DESTROY_TIMEOUT_MS);
      await hosts.get(row.host_id).client.call("destroySandbox", { sandboxId: row.id }, context);
    } catch (reason) {
      if (!(reason instanceof WrennError) || reason.code !== "unavailable") throw reason;
      log.warn({ sandbox_id: row.id, err: reason }, "deleted while its host is away");
    }
    const moved = await moveSandbox(db, { id: row.id, to: "stopped" });
    if (moved) await this.#audit({ action: "sandbox.delete", subject: row.id, by: caller });
  }

  /** Saves a running sandbox to disk. */
  async pause(caller: Caller, row: SandboxRow): Promise<SandboxRow> {
    const paused = await this.#transit(row, { from: "running", via: "pausing", to: "paused" }, async () => {
      const context = call(caller, `pausing sandbox ${row.id}`, PAUSE_TIMEOUT_MS);
      await this.#context.hosts.get(row.host_id).client.call("pauseSandbox", { sandboxId: row.id }, context);
      return { host_ip: null };
    });
    await this.#audit({ action: "sandbox.pause", subject: row.id, by: caller });
    return paused;
  }

  /** Continues a paused sandbox with the time-out that it had. */
  async resume(caller: Caller, row: SandboxRow): Promise<SandboxRow> {
    const running = await this.#transit(row, { from: "paused", via: "resuming", to: "running" }, async () => {
      const context = call(caller, `resuming sandbox ${row.id}`, RESUME_TIMEOUT_MS);
      const message = { sandboxId: row.id, timeoutSec: row.timeout_sec };
      const answer = await this.#context.hosts
        .get(row.host_id)
        .client.call("resumeSandbox", message, context);
      return { host_ip: answer.hostIp };
    });
    await this.#audit({ action: "sandbox.resume", subject: row.id, by: caller });
    return running;
  }

  /** Copies a running sandbox. No host has a call for it yet. */
  fork(): never {
    throw new WrennError("not_implemented", "forking is not to be had from this version");
  }

  /** Rolls a sandbox back in place. No host has a call for it yet. */
  restore(): never {
    throw new WrennError("not_implemented", "restoring is not to be had from this version");
  }

  /** Restarts the inactivity clock. */
  async ping(caller: Caller, row: SandboxRow): Promise<void> {
    const context = call(caller, `pinging sandbox ${row.id}`, PING_TIMEOUT_MS);
    await this.#context.hosts.get(row.host_id).client.call("pingSandbox", { sandboxId: row.id }, context);
    this.#context.activity.note(row.id);
  }

  /**
   * Takes a row through an unsettled status. A step that failed for certain puts it back; after an uncertain
   * failure it stays unsettled, and the reconciler asks the host what became of it.
   */
  async #transit(
    row: SandboxRow,
    { from, via, to }: { from: SandboxStatus; via: SandboxStatus; to: SandboxStatus },
    act: () => Promise<{ host_ip: string | null }>,
  ): Promise<SandboxRow> {
    const { db, inFlight, worker } = this.#context;
    return await inFlight.run(row.id, async () => {
      if (!(await moveSandbox(db, { id: row.id, from: [from], to: via, worker })))
        throw changed(row.id, from);
      let set: { host_ip: string | null };
      try {
        set = await act();
      } catch (reason) {
        const error = WrennError.from(reason);
        if (!UNCERTAIN.includes(error.code)) await moveSandbox(db, { id: row.id, from: [via], to: from });
        throw error;
      }
      const moved = await moveSandbox(db, { id: row.id, from: [via], to, set });
      if (!moved) throw changed(row.id, via);
      return moved;
    });
  }

  async #audit(event: AuditEvent): Promise<void> {
    await recordAudit(this.#context.db, event);
  }
}

function call(caller: Caller, attempted: string, timeoutMs: number) {
  return { attempted, requestId: caller.requestId, timeoutMs };
}

function changed(id: string, expected: SandboxStatus): WrennError {
  return new WrennError(
    "invalid_state",
    `sandbox ${id} is no longer ${expected}: something else moved it meanwhile`,
  );
}
