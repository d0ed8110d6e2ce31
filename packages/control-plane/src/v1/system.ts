// Routes of the service itself.
import { openApiDocument } from "@wrenn/api";
import { handler } from "../http/handler.ts";
import { yamlDocument } from "../http/yaml-document.ts";
import type { Services } from "../services/services.ts";

export function systemHandlers({ health, metrics, storage, version }: Services) {
  const document = yamlDocument(() => openApiDocument({ version }));
  return {
    health: handler(async () => ({ body: await health.check() })),
    metrics: handler(async ({ reply }) => {
      await reply.type("text/plain; version=0.0.4; charset=utf-8").send(await metrics.text());
      return undefined;
    }),
    getStorage: handler(async ({ caller }) => ({ body: await storage.get(caller) })),
    openApi: handler(async ({ reply }) => {
      await reply.type("application/yaml; charset=utf-8").send(await document());
      return undefined;
    }),
  };
}
