// Templates of E2B's clients.
import { WrennError } from "@wrenn/core";
import { DEFAULT_TAG } from "../db/queries/template-reference.ts";
import type { TemplateRow } from "../db/schema.ts";
import { handler } from "../http/handler.ts";
import type { Services } from "../services/services.ts";
import { templateName } from "./aliases.ts";
import { presentTemplate } from "./present.ts";

export function templateHandlers({ templates }: Services) {
  return {
    e2bListTemplates: handler(async ({ caller }) => ({
      body: oneOfEach(await templates.list(caller, { tagged: true })).map(presentTemplate),
    })),
    e2bGetAlias: handler(async ({ caller, params }) => {
      const name = templateName(params["template"] ?? "");
      const template = (await templates.find(caller, name)) ?? (await templates.tagged(caller, name));
      if (!template) throw new WrennError("not_found", `there is no template ${name}`);
      return { body: { templateID: template.name, public: template.owner === null } };
    }),
    e2bDeleteTemplate: handler(async ({ caller, params }) => {
      await templates.delete(caller, templateName(params["template"] ?? ""));
      return {};
    }),
  };
}

/** One row a template: that of the name itself, or else the newest of its tags. */
function oneOfEach(rows: readonly TemplateRow[]): TemplateRow[] {
  const plain = new Set(rows.filter(({ tag }) => tag === DEFAULT_TAG).map(({ name }) => name));
  const seen = new Set<string>();
  return rows.filter(({ name, tag }) => {
    if (seen.has(name) || (plain.has(name) && tag !== DEFAULT_TAG)) return false;
    seen.add(name);
    return true;
  });
}
