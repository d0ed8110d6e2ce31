// Failures in the shape that E2B's clients read.
import type { WrennError } from "@wrenn/core";
import type { ErrorAnswer } from "../http/errors.ts";

/**
 * `code` repeats the status: clients branch on it. There is no `Retry-After` with 429: a client that gets one
 * waits and tries again instead of telling its caller, who alone can make room.
 */
export function toE2bError({ code, message, httpStatus, retryAfterSec }: WrennError): ErrorAnswer {
  const headers: Record<string, string> =
    retryAfterSec === undefined || httpStatus === 429 ? {} : { "retry-after": String(retryAfterSec) };
  return { status: httpStatus, headers, body: { code: httpStatus, message, error_code: code } };
}
