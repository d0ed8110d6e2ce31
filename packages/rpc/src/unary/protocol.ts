// What both ends of a unary call say.
import { Code } from "@connectrpc/connect";

/** Milliseconds, at most ten digits. */
export const TIMEOUT_HEADER = "timeout-ms";

/** What a connection of HTTP is upgraded to for unary calls. */
export const UNARY_UPGRADE = "wrenn-unary";

/** The longest that a timer of Node's takes; it turns longer ones into 1 ms. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** Names of the codes (https://connectrpc.com/docs/protocol#error-codes). */
const NAMES: ReadonlyMap<Code, string> = new Map([
  [Code.Canceled, "canceled"],
  [Code.Unknown, "unknown"],
  [Code.InvalidArgument, "invalid_argument"],
  [Code.DeadlineExceeded, "deadline_exceeded"],
  [Code.NotFound, "not_found"],
  [Code.AlreadyExists, "already_exists"],
  [Code.PermissionDenied, "permission_denied"],
  [Code.ResourceExhausted, "resource_exhausted"],
  [Code.FailedPrecondition, "failed_precondition"],
  [Code.Aborted, "aborted"],
  [Code.OutOfRange, "out_of_range"],
  [Code.Unimplemented, "unimplemented"],
  [Code.Internal, "internal"],
  [Code.Unavailable, "unavailable"],
  [Code.DataLoss, "data_loss"],
  [Code.Unauthenticated, "unauthenticated"],
]);
const CODES: ReadonlyMap<unknown, Code> = new Map([...NAMES].map(([code, name]) => [name, code]));

export function nameOfCode(code: Code): string {
  return NAMES.get(code) ?? "unknown";
}

export function codeOfName(name: unknown): Code | undefined {
  return CODES.get(name);
}
