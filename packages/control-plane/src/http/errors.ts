// Every failure as the one JSON shape, with its status.
import type { E2bError, ErrorBody } from "@wrenn/api";
import { WrennError } from "@wrenn/core";

export interface ErrorAnswer<Body = ErrorBody | E2bError> {
  status: number;
  headers: Record<string, string>;
  body: Body;
}

/** PostgreSQL error classes that mean "later": connection, resources, shutdown, lock or statement time-out. */
const DATABASE_AWAY = /^(?:08|53|57|55)/;

/** Node's codes for a server that is not there. */
const CONNECTION_FAILED = new Set(["ECONNREFUSED", "ECONNRESET", "ENOENT", "ETIMEDOUT", "EPIPE"]);

/** What is sent out for a thrown value. The cause stays here. */
export function toErrorAnswer(error: WrennError): ErrorAnswer<ErrorBody> {
  const { code, message, field, retryAfterSec } = error;
  return {
    status: error.httpStatus,
    headers: retryAfterSec === undefined ? {} : { "retry-after": String(retryAfterSec) },
    body: { error: { code, message, ...(field !== undefined && { field }) } },
  };
}

/** A value thrown by a service, the framework or the database as a WrennError. */
export function fromThrown(reason: unknown): WrennError {
  if (reason instanceof WrennError) return reason;
  const code = reason instanceof Error && "code" in reason ? String(reason.code) : "";
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE")
    return new WrennError("too_large", "the body is too large", { cause: reason });
  if (code === "FST_ERR_CTP_INVALID_MEDIA_TYPE") {
    return new WrennError("unsupported_media_type", "the content type is not valid", { cause: reason });
  }
  if (code.startsWith("FST_ERR_CTP_") || code === "FST_ERR_BAD_URL") {
    return new WrennError("invalid_argument", "the request is not valid", { cause: reason });
  }
  if (DATABASE_AWAY.test(code) || CONNECTION_FAILED.has(code) || isPoolTimeout(reason)) {
    return new WrennError("unavailable", "the database cannot be reached; try again", {
      cause: reason,
      retryAfterSec: 1,
    });
  }
  return WrennError.from(reason);
}

/** `pg` gives this and a terminated connection no code. */
function isPoolTimeout(reason: unknown): boolean {
  return (
    reason instanceof Error &&
    (reason.message === "timeout exceeded when trying to connect" ||
      reason.message.startsWith("Connection terminated"))
  );
}
