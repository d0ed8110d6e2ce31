// What goes wrong between a control plane and a host, as the platform's own errors.
import { Code, ConnectError } from "@connectrpc/connect";
import { ERROR_CODES, type ErrorCode, isErrorCode, WrennError, type WrennErrorOptions } from "@wrenn/core";

/** Metadata of a host's error: the exact code, and the request field that is wrong. */
export const CODE_METADATA = "wrenn-code";
export const FIELD_METADATA = "wrenn-field";
/** Whole seconds after which the host thinks that trying again makes sense. */
export const RETRY_METADATA = "wrenn-retry-after";

/** Wait that is proposed when a host is full or cannot be reached. */
const RETRY_AFTER_SEC: Partial<Record<ErrorCode, number>> = { capacity: 5, unavailable: 1 };

const FROM_CONNECT: Partial<Record<Code, ErrorCode>> = {
  [Code.InvalidArgument]: "invalid_argument",
  [Code.OutOfRange]: "invalid_argument",
  [Code.NotFound]: "not_found",
  [Code.AlreadyExists]: "already_exists",
  [Code.FailedPrecondition]: "invalid_state",
  [Code.ResourceExhausted]: "capacity",
  [Code.Unimplemented]: "not_implemented",
  [Code.DeadlineExceeded]: "deadline_exceeded",
};

/**
 * A failed RPC as a WrennError. The host's own code wins; without one, the Connect code decides. A connection
 * that could not be made or broke is `unavailable`: whether anything was done there is unknown.
 */
export function fromRpc(reason: unknown, attempted: string): WrennError {
  if (reason instanceof WrennError) return reason;
  const error = ConnectError.from(reason);
  const named = error.metadata.get(CODE_METADATA) ?? "";
  const field = error.metadata.get(FIELD_METADATA) ?? undefined;
  const retryAfterSec = Number(error.metadata.get(RETRY_METADATA)) || undefined;
  if (isErrorCode(named)) return make(named, error.rawMessage, { cause: reason, field, retryAfterSec });
  const mapped = FROM_CONNECT[error.code];
  if (mapped === "deadline_exceeded") return make(mapped, `${attempted} took too long`, { cause: reason });
  if (mapped) return make(mapped, error.rawMessage, { cause: reason, field });
  // connect-node says `aborted` for a connection that was reset.
  if ([Code.Unavailable, Code.Canceled, Code.Aborted].includes(error.code) || isSystemError(error.cause)) {
    return unreachable(attempted, reason);
  }
  return make("internal", `${attempted} failed on the host`, { cause: reason });
}

/** A JSON error body of a raw route as a WrennError. */
export function fromRawBody(status: number, text: string, attempted: string): WrennError {
  const { code = "", message, field } = parseBody(text);
  if (isErrorCode(code)) return make(code, message ?? `${attempted} failed`, { field });
  return make("internal", `${attempted} failed on the host`, {
    cause: new Error(`status ${status}: ${text}`),
  });
}

/** The host did not answer, or stopped answering. */
export function unreachable(attempted: string, cause: unknown): WrennError {
  return make("unavailable", `${attempted}: the host cannot be reached; try again`, { cause });
}

/** Whether a call failed before anything of it could reach the host, or the host has refused it. */
export function wasNeverSent({ cause }: WrennError): boolean {
  const reason = cause instanceof ConnectError ? cause.cause : cause;
  // A connection that ended under a call has no cause either, and then nobody knows.
  if (reason === undefined) return !(cause instanceof ConnectError) || cause.metadata.has(CODE_METADATA);
  return reason instanceof Error && "code" in reason && REFUSED.has(String(reason.code));
}

function make(code: ErrorCode, message: string, options: WrennErrorOptions): WrennError {
  return new WrennError(code, message || ERROR_CODES[code].connect, {
    ...options,
    retryAfterSec: options.retryAfterSec ?? RETRY_AFTER_SEC[code],
  });
}

/** Nobody listens at the address. */
const REFUSED = new Set(["ECONNREFUSED", "ENOENT"]);

/** Whether Node's networking failed, as against a host that answered. */
function isSystemError(cause: unknown): boolean {
  return cause instanceof Error && "syscall" in cause;
}

function parseBody(text: string): { code?: string; message?: string; field?: string } {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body !== "object" || body === null) return {};
    const strings = Object.entries(body).filter(([, value]) => typeof value === "string");
    return Object.fromEntries(strings) as Record<string, string>;
  } catch {
    return {};
  }
}
