// Building base templates: started here, carried out by a host, followed by anybody.
import type { BuildTemplateRequest, TemplateBuild, TemplateBuildLog } from "@wrenn/api";
import { BUILD_LOG_LINES } from "@wrenn/api";
import { BOUNDS, WrennError } from "@wrenn/core";
import type { Logger } from "pino";
import type { Db } from "../db/connect.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { claimBuild, deleteTemplate, findTemplate, finishBuild } from "../db/queries/templates.ts";
import type { TemplateRow } from "../db/schema.ts";
import type { HostDirectory } from "../hosts/directory.ts";
import { type BuildEvents, openBuild } from "./build-events.ts";
import { BuildRecord } from "./build-record.ts";
import type { Caller } from "./caller.ts";
import type { InFlight } from "./in-flight.ts";

/** Builds remembered in memory with their logs, the oldest ended one goes first. */
const MAX_REMEMBERED = 20;

export interface BuildContext {
  db: Db;
  hosts: HostDirectory;
  inFlight: InFlight;
  log: Logger;
  worker: number;
}

export class BuildService {
  readonly #context: BuildContext;
  readonly #records = new Map<string, BuildRecord>();

  constructor(context: BuildContext) {
    this.#context = context;
  }

  /** Starts a build and returns once the host has begun, or joins the one of that name and recipe. */
  async start(caller: Caller, request: BuildTemplateRequest): Promise<TemplateBuild> {
    const { name, recipe = "" } = request;
    if (!caller.operator)
      throw new WrennError("forbidden", "every owner sees base templates; only the operator builds them");
    const running = this.#records.get(name);
    if (running?.running) {
      if (running.recipe === recipe) return running.view();
      throw new WrennError("already_exists", `template ${name} is being built from another recipe`, {
        field: "name",
      });
    }
    const record = new BuildRecord(name, recipe);
    this.#remember(record);
    try {
      return await this.#begin(caller, record);
    } catch (reason) {
      this.#records.delete(name);
      throw reason;
    }
  }

  /** The state of a build and its log from an offset on. Throws `not_found`. */
  async follow(caller: Caller, name: string, offset: number): Promise<TemplateBuildLog> {
    const record = this.#records.get(name);
    if (record) return { ...record.view(), ...record.logFrom(offset, BUILD_LOG_LINES) };
    const row = await findTemplate(this.#context.db, caller.owner, name);
    if (row?.type !== "base") throw new WrennError("not_found", `template ${name} was never built`);
    return { ...viewOf(row), log: [], next_offset: offset };
  }

  async #begin(caller: Caller, record: BuildRecord): Promise<TemplateBuild> {
    const { db, hosts, worker, inFlight } = this.#context;
    const { name, recipe } = record;
    const [host] = await hosts.fresh();
    if (!host) throw new WrennError("unavailable", "no host can be reached; try again", { retryAfterSec: 1 });
    const row = await findTemplate(db, caller.owner, name);
    if (row?.status === "ready") {
      throw new WrennError("already_exists", `there is a template ${name} already; delete it first`, {
        field: "name",
      });
    }
    const defaults = { vcpus: BOUNDS.vcpus.default, memory_mb: BOUNDS.memory_mb.default, worker };
    if (!(await claimBuild(db, name, defaults))) {
      // Another control plane builds it: join by name.
      this.#records.delete(name);
      const other = await findTemplate(db, caller.owner, name);
      if (other) return viewOf(other);
      throw new WrennError("unavailable", `template ${name} changed meanwhile; try again`, {
        retryAfterSec: 1,
      });
    }
    const events = await this.#open(host.client, record, caller);
    await recordAudit(db, {
      action: "template.build",
      subject: name,
      by: caller,
      detail: { own_recipe: recipe !== "" },
    });
    inFlight
      .run(`build ${name}`, () => this.#carryOut(record, events))
      .catch((reason: unknown) => {
        this.#context.log.error({ template: name, err: reason }, "could not record the end of a build");
      });
    return record.view();
  }

  /** Until the first event the client waits, so that an unknown or faulty recipe is its answer. */
  async #open(
    client: Parameters<typeof openBuild>[0],
    record: BuildRecord,
    caller: Caller,
  ): Promise<BuildEvents> {
    const { db, worker } = this.#context;
    try {
      return await openBuild(client, record, caller.requestId);
    } catch (reason) {
      const error = WrennError.from(reason);
      if (error.httpStatus < 500) await deleteTemplate(db, null, record.name);
      else await finishBuild(db, record.name, worker, { error: error.message });
      throw error;
    }
  }

  async #carryOut(record: BuildRecord, events: BuildEvents): Promise<void> {
    const { db, worker, hosts, log } = this.#context;
    const { name } = record;
    try {
      const template = await record.follow(events);
      await finishBuild(db, name, worker, template);
      record.end();
    } catch (reason) {
      const error = WrennError.from(reason, `building template ${name} failed`);
      log.warn({ template: name, err: error }, "a build failed");
      await finishBuild(db, name, worker, { error: error.message });
      record.end(error.message);
    }
    await hosts.refresh();
  }

  #remember(record: BuildRecord): void {
    this.#records.delete(record.name);
    for (const [name, { running }] of this.#records) {
      if (this.#records.size < MAX_REMEMBERED) break;
      if (!running) this.#records.delete(name);
    }
    this.#records.set(record.name, record);
  }
}

/** What the database remembers of a build: all but its steps. */
function viewOf(row: TemplateRow): TemplateBuild {
  return {
    name: row.name,
    status: row.status,
    steps: [],
    ...(row.error !== null && { error: row.error }),
    started_at: (row.build_started ?? row.created_at).toISOString(),
    ...(row.build_finished && { finished_at: row.build_finished.toISOString() }),
  };
}
