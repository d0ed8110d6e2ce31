// Templates: base ones that everybody sees, and snapshots that belong to an owner.
import { sql } from "kysely";
import type { Db } from "../connect.ts";
import type { TemplateRow, TemplateType } from "../schema.ts";
import { workerIsGone } from "../worker.ts";
import type { Position } from "./sandbox-find.ts";
import { DEFAULT_TAG, splitReference } from "./template-reference.ts";

/** What a host says about a base template. */
export interface BaseTemplate {
  name: string;
  vcpus: number;
  memoryMb: number;
  sizeBytes: number;
  rootfsSha256: string;
  createdAt: Date;
}

/** The template that the owner means by `name` or `name:tag`: their own before one that all share. */
export async function findTemplate(
  db: Db,
  owner: string,
  reference: string,
): Promise<TemplateRow | undefined> {
  const { name, tag } = splitReference(reference);
  return await visible(db, owner)
    .where("name", "=", name)
    .where("tag", "=", tag)
    .orderBy(sql`owner nulls last`)
    .executeTakeFirst();
}

export interface TemplateFilter {
  owner: string;
  type?: TemplateType | undefined;
  name?: string | undefined;
  /** Only snapshots of this sandbox. */
  sandboxId?: string | undefined;
  /** Whether names with a tag are listed, too. */
  tagged?: boolean | undefined;
  after?: Position | undefined;
  limit?: number | undefined;
}

/** Ready templates, newest first. */
export async function listTemplates(
  db: Db,
  { owner, type, name, sandboxId, tagged = false, after, limit }: TemplateFilter,
): Promise<TemplateRow[]> {
  let query = visible(db, owner)
    .where("status", "=", "ready")
    .orderBy("created_at", "desc")
    .orderBy("name", "desc");
  if (!tagged) query = query.where("tag", "=", DEFAULT_TAG);
  if (type) query = query.where("type", "=", type);
  if (name !== undefined) query = query.where("name", "=", name);
  if (sandboxId !== undefined) query = query.where("sandbox_id", "=", sandboxId);
  if (after)
    query = query.where(sql<boolean>`(created_at, name) < (${new Date(after.createdAt)}, ${after.id})`);
  if (limit !== undefined) query = query.limit(limit);
  return await query.execute();
}

/** Marks a base template as being built. False when another live control plane is building it. */
export async function claimBuild(
  db: Db,
  name: string,
  defaults: { vcpus: number; memory_mb: number; worker: number },
): Promise<boolean> {
  const now = sql<Date>`now()`;
  const row = await db
    .insertInto("templates")
    .values({ name, type: "base", status: "building", store_name: name, build_started: now, ...defaults })
    .onConflict((conflict) =>
      conflict
        .columns(["owner", "name", "tag"])
        .doUpdateSet({
          status: "building",
          worker: defaults.worker,
          build_started: now,
          build_finished: null,
          error: null,
          last_updated: now,
        })
        .where((eb) => eb.or([eb("templates.status", "<>", "building"), workerIsGone("templates")])),
    )
    .returning("name")
    .executeTakeFirst();
  return row !== undefined;
}

/** Records a base template that a host holds. A build under way elsewhere is left alone. */
export async function recordBaseTemplate(db: Db, template: BaseTemplate): Promise<void> {
  const values = {
    status: "ready" as const,
    vcpus: template.vcpus,
    memory_mb: template.memoryMb,
    size_bytes: template.sizeBytes,
    rootfs_sha256: template.rootfsSha256,
    created_at: template.createdAt,
    error: null,
  };
  await db
    .insertInto("templates")
    .values({ ...values, name: template.name, type: "base", store_name: template.name })
    .onConflict((conflict) =>
      conflict
        .columns(["owner", "name", "tag"])
        .doUpdateSet({ ...values, last_updated: sql<Date>`now()` })
        .where((eb) => eb.or([eb("templates.status", "<>", "building"), workerIsGone("templates")])),
    )
    .execute();
}

/** Ends a build of this worker: ready with what the host made, or failed with a reason. */
export async function finishBuild(
  db: Db,
  name: string,
  worker: number,
  result: BaseTemplate | { error: string },
): Promise<void> {
  const outcome =
    "error" in result
      ? { status: "error" as const, error: result.error }
      : {
          status: "ready" as const,
          error: null,
          vcpus: result.vcpus,
          memory_mb: result.memoryMb,
          size_bytes: result.sizeBytes,
          rootfs_sha256: result.rootfsSha256,
          created_at: result.createdAt,
        };
  await db
    .updateTable("templates")
    .set({ ...outcome, worker: null, build_finished: sql<Date>`now()`, last_updated: sql<Date>`now()` })
    .where("name", "=", name)
    .where("type", "=", "base")
    .where("worker", "=", worker)
    .execute();
}

/**
 * Base templates that no host holds: interrupted builds fail, finished ones are gone. One that was recorded within the
 * last `settledMs` may have come to be after the hosts were asked, and stays.
 */
export async function dropAbsentBaseTemplates(
  db: Db,
  { present, settledMs }: { present: readonly string[]; settledMs: number },
): Promise<void> {
  const absent = sql<boolean>`name <> all(${[...present]}::text[])`;
  await db
    .updateTable("templates")
    .set({
      status: "error",
      error: "the build was interrupted; start it again",
      worker: null,
      build_finished: sql<Date>`now()`,
      last_updated: sql<Date>`now()`,
    })
    .where("type", "=", "base")
    .where("status", "=", "building")
    .where(workerIsGone("templates"))
    .where(absent)
    .execute();
  await db
    .deleteFrom("templates")
    .where("type", "=", "base")
    .where("status", "=", "ready")
    .where("last_updated", "<", sql<Date>`now() - ${settledMs} * interval '1 millisecond'`)
    .where(absent)
    .execute();
}

/** Takes the name of a base template away, or of whatever else has it. */
export async function deleteTemplate(db: Db, owner: string | null, name: string): Promise<void> {
  await db
    .deleteFrom("templates")
    .where("name", "=", name)
    .where("owner", "is not distinct from", owner)
    .execute();
}

function visible(db: Db, owner: string) {
  return db
    .selectFrom("templates")
    .selectAll()
    .where("type", "<>", "layer")
    .where((eb) => eb.or([eb("owner", "is", null), eb("owner", "=", owner)]));
}
