// The handlers of all operations.
import type { Handlers } from "../http/handler.ts";
import type { Services } from "../services/services.ts";
import { execHandlers } from "./exec.ts";
import { fileHandlers } from "./files.ts";
import { keyHandlers } from "./keys.ts";
import { sandboxHandlers } from "./sandboxes.ts";
import { systemHandlers } from "./system.ts";
import { templateHandlers } from "./templates.ts";

export function allHandlers(services: Services): Handlers {
  return {
    ...sandboxHandlers(services),
    ...execHandlers(services),
    ...fileHandlers(services),
    ...templateHandlers(services),
    ...keyHandlers(services),
    ...systemHandlers(services),
  };
}
