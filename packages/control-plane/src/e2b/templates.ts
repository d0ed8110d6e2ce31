// Templates of E2B's clients.
import { WrennError } from "@wrenn/core";
import { handler } from "../http/handler.ts";
import type { Services } from "../services/services.ts";
import { templateName } from "./aliases.ts";
import { presentTemplate } from "./present.ts";

export function templateHandlers({ templates }: Services) {
  return {
    e2bListTemplates: handler(async ({ caller }) => ({
      body: (await templates.list(caller, {})).map(presentTemplate),
    })),
    e2bGetAlias: handler(async ({ caller, params }) => {
      const name = templateName(params["template"] ?? "");
      const template = await templates.find(caller, name);
      if (!template) throw new WrennError("not_found", `there is no template ${name}`);
      return { body: { templateID: template.name, public: template.owner === null } };
    }),
    e2bDeleteTemplate: handler(async ({ caller, params }) => {
      await templates.delete(caller, templateName(params["template"] ?? ""));
      return {};
    }),
  };
}
