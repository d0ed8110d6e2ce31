// What both ends of a unary Connect call say: https://connectrpc.com/docs/protocol
import { Code } from "@connectrpc/connect";

/** Content type of a binary message, and of an error. */
export const PROTO = "application/proto";
export const JSON_TYPE = "application/json";

export const HEADERS = {
  version: "connect-protocol-version",
  /** Milliseconds, at most ten digits. */
  timeout: "connect-timeout-ms",
} as const;

/** The longest that a timer of Node's takes; it turns longer ones into 1 ms. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** Names and HTTP statuses of the codes (https://connectrpc.com/docs/protocol#error-codes). */
const CODES: readonly (readonly [Code, string, number])[] = [
  [Code.Canceled, "canceled", 499],
  [Code.Unknown, "unknown", 500],
  [Code.InvalidArgument, "invalid_argument", 400],
  [Code.DeadlineExceeded, "deadline_exceeded", 504],
  [Code.NotFound, "not_found", 404],
  [Code.AlreadyExists, "already_exists", 409],
  [Code.PermissionDenied, "permission_denied", 403],
  [Code.ResourceExhausted, "resource_exhausted", 429],
  [Code.FailedPrecondition, "failed_precondition", 400],
  [Code.Aborted, "aborted", 409],
  [Code.OutOfRange, "out_of_range", 400],
  [Code.Unimplemented, "unimplemented", 501],
  [Code.Internal, "internal", 500],
  [Code.Unavailable, "unavailable", 503],
  [Code.DataLoss, "data_loss", 500],
  [Code.Unauthenticated, "unauthenticated", 401],
];

/** Codes of statuses without an error that can be read (https://connectrpc.com/docs/protocol#http-to-error-code). */
const FROM_STATUS: ReadonlyMap<number, Code> = new Map([
  [400, Code.Internal],
  [401, Code.Unauthenticated],
  [403, Code.PermissionDenied],
  [404, Code.Unimplemented],
  [429, Code.Unavailable],
  [502, Code.Unavailable],
  [503, Code.Unavailable],
  [504, Code.Unavailable],
]);

export function nameOfCode(code: Code): string {
  return CODES.find(([known]) => known === code)?.[1] ?? "unknown";
}

export function statusOfCode(code: Code): number {
  return CODES.find(([known]) => known === code)?.[2] ?? 500;
}

export function codeOfName(name: unknown): Code | undefined {
  return CODES.find(([, known]) => known === name)?.[0];
}

export function codeOfStatus(status: number): Code {
  return FROM_STATUS.get(status) ?? Code.Unknown;
}
