// Snapshots: a sandbox's disk and memory under a name of its owner's.
import { randomBytes } from "node:crypto";
import type { CreateSnapshotRequest } from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import type { CreateSnapshotResponse } from "@wrenn/rpc/hostagent";
import type { Logger } from "pino";
import type { Db } from "../db/connect.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { type Naming, type NewSnapshot, recordSnapshot } from "../db/queries/snapshots.ts";
import { findTemplate } from "../db/queries/templates.ts";
import type { SandboxRow, TemplateConfig, TemplateRow } from "../db/schema.ts";
import type { HostDirectory } from "../hosts/directory.ts";
import type { Caller } from "./caller.ts";
import type { InFlight } from "./in-flight.ts";
import { notOnHost } from "./not-on-host.ts";
import type { SandboxService } from "./sandboxes.ts";
import { dropContent, dropNameless } from "./snapshot-content.ts";
import { newStoreName } from "./store-name.ts";

/** Copying memory and disk of the largest sandbox on a slow disk. */
const SNAPSHOT_TIMEOUT_MS = 300_000;

export interface SnapshotContext {
  db: Db;
  hosts: HostDirectory;
  sandboxes: SandboxService;
  inFlight: InFlight;
  log: Logger;
  worker: number;
}

/** What is said of a snapshot beside its name. */
export interface SnapshotOptions extends Naming {
  config?: TemplateConfig;
}

export class SnapshotService {
  readonly #context: SnapshotContext;

  constructor(context: SnapshotContext) {
    this.#context = context;
  }

  /**
   * Takes a snapshot of a running or paused sandbox. Throws `already_exists` unless it may be overwritten. The
   * content is made under a name of its own, and the caller's name moves to it in one transaction: whatever fails,
   * the name stands for the whole old content or the whole new one.
   */
  async create(
    caller: Caller,
    request: CreateSnapshotRequest,
    naming: SnapshotOptions,
  ): Promise<TemplateRow> {
    const { sandboxes, inFlight, worker, hosts } = this.#context;
    const sandbox = await sandboxes.get(caller, request.sandbox_id);
    if (sandbox.status !== "running" && sandbox.status !== "paused") {
      throw new WrennError(
        "invalid_state",
        `sandbox ${sandbox.id} is ${sandbox.status}, not running or paused`,
      );
    }
    const name = request.name ?? `template-${randomBytes(4).toString("hex")}`;
    const isLayer = naming.type === "layer";
    if (!isLayer) await this.#assertFree(caller, name, naming.overwrite);
    const storeName = newStoreName(worker);
    const row = await inFlight.run(storeName, async () => {
      const { leave } = request;
      const made = await this.#take(caller, sandbox, { name, storeName, leave, seldom: isLayer });
      const snapshot = { ...newSnapshot(sandbox, made, { name, storeName }), config: naming.config };
      return await this.#record(caller, snapshot, naming);
    });
    if (!isLayer) {
      await recordAudit(this.#context.db, {
        action: "snapshot.create",
        subject: name,
        by: caller,
        detail: { sandbox: sandbox.id },
      });
    }
    await hosts.refresh();
    return row;
  }

  /** Before the work; whether the name is still free afterwards, the database decides. */
  async #assertFree(caller: Caller, name: string, overwrite: boolean): Promise<void> {
    const old = await findTemplate(this.#context.db, caller.owner, name);
    if (old && (old.type === "base" || !overwrite)) throw taken(name);
  }

  async #take(
    caller: Caller,
    sandbox: SandboxRow,
    {
      name,
      storeName,
      leave,
      seldom,
    }: { name: string; storeName: string; leave: string | undefined; seldom: boolean },
  ): Promise<CreateSnapshotResponse> {
    const { sandboxes, hosts, log } = this.#context;
    const pauses = leave === "paused" && sandbox.status === "running";
    const take = () =>
      hosts.get(sandbox.host_id).client.call(
        "createSnapshot",
        { sandboxId: sandbox.id, name: storeName, leave: pauses ? "paused" : "running", seldom },
        {
          attempted: `taking snapshot ${name} of sandbox ${sandbox.id}`,
          requestId: caller.requestId,
          timeoutMs: SNAPSHOT_TIMEOUT_MS,
        },
      );
    try {
      return await (pauses
        ? sandboxes.pauseWith(caller, sandbox, take)
        : take().catch(notOnHost(sandbox.id)));
    } catch (reason) {
      // Whether the host has made it before the failure is not known.
      await dropContent(hosts, storeName, { log, requestId: caller.requestId });
      throw reason;
    }
  }

  async #record(caller: Caller, snapshot: NewSnapshot, naming: Naming): Promise<TemplateRow> {
    const { db } = this.#context;
    const { requestId } = caller;
    const recorded = await recordSnapshot(db, snapshot, naming);
    const garbage = recorded ? recorded.replaced : [snapshot.storeName];
    await dropNameless(this.#context, garbage, requestId);
    if (!recorded) throw taken(snapshot.name);
    return recorded.row;
  }
}

function newSnapshot(
  { id, owner, vcpus, memory_mb, disk_mb }: SandboxRow,
  { sizeBytes }: CreateSnapshotResponse,
  names: { name: string; storeName: string },
): NewSnapshot {
  return { owner, ...names, sandbox_id: id, vcpus, memory_mb, disk_mb, sizeBytes: Number(sizeBytes) };
}

function taken(name: string): WrennError {
  return new WrennError("already_exists", `there is a template ${name} already`, { field: "name" });
}
