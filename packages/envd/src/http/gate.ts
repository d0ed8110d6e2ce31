// Who may call what.
import { WrennError } from "@wrenn/core";
import type { AgentState } from "../agent/state.ts";
import { isExpired, readSignedUrl, type Sha256Base64, signatureOf } from "./signature.ts";

export const TOKEN_HEADER = "x-access-token";

/**
 * Throws `unauthorized` unless the request carries the access token. Open to all: GET /health; and, until a
 * token is set, POST /init. `/files` is open to signed URLs too. Without a token everything else is refused: the
 * agent acts as root.
 */
export function checkAccess(request: Request, path: string, state: AgentState, sha256: Sha256Base64): void {
  if (path === "/health" && request.method === "GET") return;
  if (path === "/init" && !state.hasToken) return;
  if (state.isToken(request.headers.get(TOKEN_HEADER))) return;
  if (!state.hasToken) throw unauthorized("the guest agent has not been initialised");
  const signed = path === "/files" ? readSignedUrl(request) : undefined;
  if (signed === undefined) throw unauthorized(`${TOKEN_HEADER} is missing or wrong`);
  if (!state.isDerived(signed.signature, (token) => signatureOf(signed, token, sha256))) {
    throw unauthorized("the signature is not that of this path, operation, user and expiration");
  }
  if (isExpired(signed, Date.now())) throw unauthorized("the signed URL has expired");
}

function unauthorized(message: string): WrennError {
  return new WrennError("unauthorized", message);
}
