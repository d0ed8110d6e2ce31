// The route table: the one list that the server and the OpenAPI document are made from.
import { EXEC_ROUTES } from "./exec.ts";
import { FILE_ROUTES } from "./files.ts";
import { KEY_ROUTES } from "./keys.ts";
import { SANDBOX_ROUTES } from "./sandboxes.ts";
import { SYSTEM_ROUTES } from "./system.ts";
import { TEMPLATE_ROUTES } from "./templates.ts";

export const ROUTES = [
  ...SANDBOX_ROUTES,
  ...EXEC_ROUTES,
  ...FILE_ROUTES,
  ...TEMPLATE_ROUTES,
  ...KEY_ROUTES,
  ...SYSTEM_ROUTES,
] as const;

/** A server has a handler for each of these: `Record<OperationId, Handler>`. */
export type OperationId = (typeof ROUTES)[number]["operationId"];
