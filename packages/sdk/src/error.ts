// How calls fail: the service said no, or it could not be heard.
import type { ErrorBody } from "@wrenn/api";

/** The closed set of codes; the service's documentation lists which call may answer with which. */
export type ErrorCode = ErrorBody["error"]["code"];

export interface WrennApiErrorInit {
  status: number | undefined;
  code: ErrorCode | "unknown";
  message: string;
  field?: string | undefined;
  requestId?: string | undefined;
  retryAfterSec?: number | undefined;
}

/**
 * The service answered with an error.
 *
 *     try {
 *       await client.sandboxes.get(id);
 *     } catch (error) {
 *       if (error instanceof WrennApiError && error.code === "not_found") return undefined;
 *       throw error;
 *     }
 */
export class WrennApiError extends Error {
  override readonly name = "WrennApiError";
  /** HTTP status; undefined when the error came as a message of a running stream. */
  readonly status: number | undefined;
  /** What went wrong; `unknown` when the answer did not come from this API (a proxy in between). */
  readonly code: ErrorCode | "unknown";
  /** The request field that is wrong. */
  readonly field: string | undefined;
  /** Id under which the service logged the request. */
  readonly requestId: string | undefined;
  /** Seconds after which trying again makes sense. */
  readonly retryAfterSec: number | undefined;

  constructor(init: WrennApiErrorInit) {
    super(init.message);
    this.status = init.status;
    this.code = init.code;
    this.field = init.field;
    this.requestId = init.requestId;
    this.retryAfterSec = init.retryAfterSec;
  }
}

/**
 * The service could not be reached, or the connection broke off. Whether the call took effect is
 * unknown; a command on a broken stream has no exit code.
 */
export class WrennConnectionError extends Error {
  override readonly name = "WrennConnectionError";
}

/** The error that an answer's status, headers and text stand for. */
export function errorOfResponse(
  response: { status: number; header: (name: string) => string | undefined },
  text: string,
): WrennApiError {
  const { code, message, field } = parseBody(text);
  const retryAfter = Number(response.header("retry-after"));
  return new WrennApiError({
    status: response.status,
    code: (code as ErrorCode | undefined) ?? "unknown",
    message: message ?? `the service answered with status ${response.status}`,
    field,
    requestId: response.header("x-request-id"),
    retryAfterSec: Number.isInteger(retryAfter) && retryAfter > 0 ? retryAfter : undefined,
  });
}

function parseBody(text: string): { code?: string; message?: string; field?: string } {
  try {
    const { error } = JSON.parse(text) as { error?: { code?: string; message?: string; field?: string } };
    return error ?? {};
  } catch {
    return {}; // not JSON: the status is all there is to say
  }
}
