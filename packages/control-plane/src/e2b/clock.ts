// The ends of sandboxes of E2B's clients.
import type { E2bRefreshRequest, E2bTimeoutRequest } from "@wrenn/api";
import { handler } from "../http/handler.ts";
import type { Services } from "../services/services.ts";
import { shown } from "./shown.ts";
import { timeoutOf } from "./timeout.ts";

export function clockHandlers({ sandboxes }: Services) {
  return {
    e2bSetTimeout: handler<E2bTimeoutRequest>(async ({ caller, sandbox, body }) => {
      const timeoutSec = timeoutOf(body.timeout);
      await sandboxes.setTimeout(caller, shown(sandbox), { timeoutSec, extendOnly: false });
      return {};
    }),
    e2bRefreshSandbox: handler<E2bRefreshRequest>(async ({ caller, sandbox, body }) => {
      const timeoutSec = timeoutOf(body.duration, "duration");
      await sandboxes.setTimeout(caller, shown(sandbox), { timeoutSec, extendOnly: true });
      return {};
    }),
  };
}
