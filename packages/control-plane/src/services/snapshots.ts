// Snapshots: a sandbox's disk and memory under a name of its owner's.
import { randomBytes } from "node:crypto";
import type { CreateSnapshotRequest } from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import type { Db } from "../db/connect.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { deleteTemplate, findTemplate, insertSnapshot } from "../db/queries/templates.ts";
import type { TemplateRow } from "../db/schema.ts";
import type { HostDirectory } from "../hosts/directory.ts";
import type { Caller } from "./caller.ts";
import type { SandboxService } from "./sandboxes.ts";

const SNAPSHOT_TIMEOUT_MS = 300_000;

export class SnapshotService {
  readonly #db: Db;
  readonly #hosts: HostDirectory;
  readonly #sandboxes: SandboxService;

  constructor({ db, hosts, sandboxes }: { db: Db; hosts: HostDirectory; sandboxes: SandboxService }) {
    this.#db = db;
    this.#hosts = hosts;
    this.#sandboxes = sandboxes;
  }

  /** Takes a snapshot of a running or paused sandbox. Throws `already_exists` unless it may be overwritten. */
  async create(
    caller: Caller,
    request: CreateSnapshotRequest,
    { overwrite }: { overwrite: boolean },
  ): Promise<TemplateRow> {
    const sandbox = await this.#sandboxes.get(caller, request.sandbox_id);
    if (sandbox.status !== "running" && sandbox.status !== "paused") {
      throw new WrennError(
        "invalid_state",
        `sandbox ${sandbox.id} is ${sandbox.status}, not running or paused`,
      );
    }
    const name = request.name ?? `template-${randomBytes(4).toString("hex")}`;
    const old = await findTemplate(this.#db, caller.owner, name);
    if (old && (old.type === "base" || !overwrite)) {
      throw new WrennError("already_exists", `there is a template ${name} already`, { field: "name" });
    }
    const { client } = this.#hosts.get(sandbox.host_id);
    const context = {
      attempted: `taking snapshot ${name}`,
      requestId: caller.requestId,
      timeoutMs: SNAPSHOT_TIMEOUT_MS,
    };
    const storeName = `snap-${randomBytes(12).toString("hex")}`;
    const made = await client.call("createSnapshot", { sandboxId: sandbox.id, name: storeName }, context);
    if (old) await deleteTemplate(this.#db, caller.owner, name);
    const { vcpus, memory_mb } = sandbox;
    const sizeBytes = Number(made.sizeBytes);
    const row = await insertSnapshot(this.#db, {
      owner: caller.owner,
      name,
      storeName,
      vcpus,
      memory_mb,
      sizeBytes,
    });
    if (old) await client.call("deleteSnapshot", { name: old.store_name }, context);
    if (request.leave === "paused" && sandbox.status === "running")
      await this.#sandboxes.pause(caller, sandbox);
    await recordAudit(this.#db, {
      action: "snapshot.create",
      subject: name,
      by: caller,
      detail: { sandbox: sandbox.id },
    });
    await this.#hosts.refresh();
    return row;
  }
}
