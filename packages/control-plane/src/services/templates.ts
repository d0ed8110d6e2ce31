// What sandboxes are made from: finding it, listing it, deleting it.
import { WrennError } from "@wrenn/core";
import type { Logger } from "pino";
import type { Db } from "../db/connect.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { assignTags, forgetSnapshot, tagsOf } from "../db/queries/snapshots.ts";
import { DEFAULT_TAG, splitReference } from "../db/queries/template-reference.ts";
import { deleteTemplate, findTemplate, listTemplates, type TemplateFilter } from "../db/queries/templates.ts";
import type { TemplateRow } from "../db/schema.ts";
import type { HostDirectory } from "../hosts/directory.ts";
import type { Caller } from "./caller.ts";
import { dropNameless } from "./snapshot-content.ts";

const DELETE_TIMEOUT_MS = 30_000;
/** Names of one template. */
const MAX_TAGS = 64;

export class TemplateService {
  readonly #db: Db;
  readonly #hosts: HostDirectory;
  readonly #log: Logger;

  constructor({ db, hosts, log }: { db: Db; hosts: HostDirectory; log: Logger }) {
    this.#db = db;
    this.#hosts = hosts;
    this.#log = log;
  }

  /**
   * A template that a sandbox can be made from now. One that is not known is looked for on the hosts first,
   * where it may have come to be a moment ago. Throws `not_found`, or `unavailable` while it is being built.
   */
  async usable(caller: Caller, name: string, { field = "template" } = {}): Promise<TemplateRow> {
    let template = await findTemplate(this.#db, caller.owner, name);
    if (template?.status !== "ready") {
      await this.#hosts.refresh();
      template = await findTemplate(this.#db, caller.owner, name);
    }
    if (template?.status === "building") {
      throw new WrennError("unavailable", `template ${name} is being built; try again when it is ready`, {
        retryAfterSec: 5,
        field,
      });
    }
    if (template?.status !== "ready") {
      throw new WrennError(
        "not_found",
        `there is no template ${name}; build it (wrenn template build ${name}), or list what there is`,
        {
          field,
        },
      );
    }
    return template;
  }

  /** The template that the caller means by a name, in whatever status. */
  find(caller: Caller, name: string): Promise<TemplateRow | undefined> {
    return findTemplate(this.#db, caller.owner, name);
  }

  /** The newest of a name's tags where the name itself stands for nothing. */
  async tagged(caller: Caller, name: string): Promise<TemplateRow | undefined> {
    return (await tagsOf(this.#db, caller.owner, name))[0];
  }

  list(caller: Caller, filter: Omit<TemplateFilter, "owner">): Promise<TemplateRow[]> {
    return listTemplates(this.#db, { ...filter, owner: caller.owner });
  }

  /** Deletes a snapshot of the caller's or, for the operator, a base template. Content stays while it is needed. */
  async delete(caller: Caller, name: string, { only }: { only?: "base" } = {}): Promise<void> {
    const named = await findTemplate(this.#db, caller.owner, name);
    const template = named ?? (only ? undefined : await this.tagged(caller, name));
    if (!template || (only && template.type !== only)) {
      throw new WrennError("not_found", `there is no template ${name}`);
    }
    if (template.type === "base" && !caller.operator) {
      throw new WrennError("forbidden", `template ${name} serves every owner; only the operator deletes it`);
    }
    if (template.status === "building") {
      throw new WrennError("invalid_state", `template ${name} is being built; delete it when that has ended`);
    }
    if (template.type === "base") await this.#deleteBase(caller, template);
    else await this.#deleteSnapshot(caller, name);
    await this.#hosts.refresh();
    await recordAudit(this.#db, { action: "template.delete", subject: name, by: caller });
  }

  /** The hosts first: as long as one holds it, the template is there. */
  async #deleteBase({ requestId }: Caller, { name, store_name }: TemplateRow): Promise<void> {
    const context = { attempted: `deleting template ${name}`, requestId, timeoutMs: DELETE_TIMEOUT_MS };
    const holders = (await this.#hosts.fresh()).filter((host) => host.templates.has(store_name));
    await Promise.all(
      holders.map(({ client }) => client.call("deleteTemplate", { name: store_name }, context)),
    );
    await deleteTemplate(this.#db, null, name);
  }

  /** The name first: content that has none is garbage, which the reconciler finds where a host is away. */
  async #deleteSnapshot(caller: Caller, reference: string): Promise<void> {
    const { name, tag } = splitReference(reference);
    const stores = await forgetSnapshot(
      this.#db,
      caller.owner,
      name,
      tag === DEFAULT_TAG ? undefined : [tag],
    );
    if (stores.length === 0) throw new WrennError("not_found", `there is no template ${reference}`);
    await this.#dropNameless(stores, caller);
  }

  /** All names of a snapshot of the caller's, the newest first. Throws `not_found`. */
  async tags(caller: Caller, name: string): Promise<TemplateRow[]> {
    const rows = await tagsOf(this.#db, caller.owner, name);
    if (rows.length === 0) throw new WrennError("not_found", `you have no template ${name}`);
    return rows;
  }

  /** Lets tags of the name stand for what `reference` stands for. Returns that. Throws `not_found`. */
  async assignTags(caller: Caller, reference: string, tags: readonly string[]): Promise<TemplateRow> {
    const { name, tag: source } = splitReference(reference);
    await this.assertRoomForTags(caller, name, tags);
    const assigned = await assignTags(this.#db, { owner: caller.owner, name, source, tags });
    if (!assigned) throw new WrennError("not_found", `you have no template ${reference}`);
    await this.#dropNameless(assigned.replaced, caller);
    await recordAudit(this.#db, { action: "template.tag", subject: name, by: caller, detail: { tags } });
    return assigned.row;
  }

  /** Throws `invalid_argument` when the name would have more tags than a template may have. */
  async assertRoomForTags(caller: Caller, name: string, tags: readonly string[]): Promise<void> {
    const there = new Set((await tagsOf(this.#db, caller.owner, name)).map(({ tag }) => tag));
    if (there.size + tags.filter((tag) => !there.has(tag)).length > MAX_TAGS) {
      throw new WrennError("invalid_argument", `a template has at most ${MAX_TAGS} tags; remove some first`, {
        field: "tags",
      });
    }
  }

  /** Takes tags away; ones that are not there are left. Throws `not_found`, or `invalid_argument` for `default`. */
  async removeTags(caller: Caller, name: string, tags: readonly string[]): Promise<void> {
    if (tags.includes(DEFAULT_TAG)) {
      throw new WrennError("invalid_argument", `the tag ${DEFAULT_TAG} goes with the template; delete that`, {
        field: "tags",
      });
    }
    await this.tags(caller, name);
    if (tags.length === 0) return;
    await this.#dropNameless(await forgetSnapshot(this.#db, caller.owner, name, tags), caller);
    await recordAudit(this.#db, { action: "template.untag", subject: name, by: caller, detail: { tags } });
  }

  async #dropNameless(stores: readonly string[], { requestId }: Caller): Promise<void> {
    await dropNameless({ db: this.#db, hosts: this.#hosts, log: this.#log }, stores, requestId);
  }
}
