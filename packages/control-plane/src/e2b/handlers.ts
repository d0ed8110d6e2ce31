// The handlers of the E2B surface: translations around the same services that the v1 API uses.
import { e2bDocument } from "@wrenn/api";
import { type E2bHandlers, handler } from "../http/handler.ts";
import { yamlDocument } from "../http/yaml-document.ts";
import type { Services } from "../services/services.ts";
import { buildHandlers } from "./builds.ts";
import { clockHandlers } from "./clock.ts";
import { connectHandlers } from "./connect.ts";
import { copyHandlers } from "./copies.ts";
import { sandboxHandlers } from "./sandboxes.ts";
import { tagHandlers } from "./tags.ts";
import { templateHandlers } from "./templates.ts";
import { refuse } from "./unsupported.ts";

export function e2bHandlers(services: Services): E2bHandlers {
  const document = yamlDocument(() => e2bDocument({ version: services.version }));
  const unsupported = (feature: string) =>
    handler(async () => {
      refuse({ [feature]: true });
      return {};
    });
  return {
    ...sandboxHandlers(services),
    ...connectHandlers(services),
    ...clockHandlers(services),
    ...copyHandlers(services),
    ...templateHandlers(services),
    ...buildHandlers(services),
    ...tagHandlers(services),
    e2bListVolumes: unsupported("volumes"),
    e2bCreateVolume: unsupported("volumes"),
    e2bGetVolume: unsupported("volumes"),
    e2bDeleteVolume: unsupported("volumes"),
    e2bListSecrets: unsupported("secrets"),
    e2bCreateSecret: unsupported("secrets"),
    e2bGetSecret: unsupported("secrets"),
    e2bUpdateSecret: unsupported("secrets"),
    e2bDeleteSecret: unsupported("secrets"),
    e2bOpenApi: handler(async ({ reply }) => {
      await reply.type("application/yaml; charset=utf-8").send(await document());
      return undefined;
    }),
  };
}
