// Who may call what.
import { WrennError } from "@wrenn/core";
import type { AgentState } from "../agent/state.ts";

export const TOKEN_HEADER = "x-access-token";

/**
 * Throws `unauthorized` unless the request carries the access token. Open to all: GET /health; and, until a
 * token is set, POST /init. Without a token everything else is refused: the agent acts as root.
 * (Signed URLs for `/files` will be accepted here.)
 */
export function checkAccess(request: Request, path: string, state: AgentState): void {
  if (path === "/health" && request.method === "GET") return;
  if (path === "/init" && !state.hasToken) return;
  if (!state.isToken(request.headers.get(TOKEN_HEADER))) {
    throw new WrennError(
      "unauthorized",
      state.hasToken ? `${TOKEN_HEADER} is missing or wrong` : "the guest agent has not been initialised",
    );
  }
}
