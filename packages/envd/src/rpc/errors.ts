// Failures on their way to a Connect client.
import { Code, ConnectError } from "@connectrpc/connect";
import { ERROR_CODES, type ErrorCode, WrennError } from "@wrenn/core";

/** Metadata that carries the precise code and the field. */
export const CODE_HEADER = "wrenn-code";
export const FIELD_HEADER = "wrenn-field";

const CONNECT_CODES: Record<(typeof ERROR_CODES)[ErrorCode]["connect"], Code> = {
  invalid_argument: Code.InvalidArgument,
  unauthenticated: Code.Unauthenticated,
  permission_denied: Code.PermissionDenied,
  not_found: Code.NotFound,
  already_exists: Code.AlreadyExists,
  failed_precondition: Code.FailedPrecondition,
  resource_exhausted: Code.ResourceExhausted,
  unavailable: Code.Unavailable,
  unimplemented: Code.Unimplemented,
  deadline_exceeded: Code.DeadlineExceeded,
  internal: Code.Internal,
};

/**
 * Any thrown value as a ConnectError with its WrennError code in the metadata. A missing command is
 * `not_found` here (clients of this protocol expect that), `command_not_found` says it precisely.
 */
export function toConnectError(reason: unknown): ConnectError {
  if (reason instanceof ConnectError) return reason;
  if (reason instanceof Error && reason.name === "AbortError")
    return ConnectError.from(reason, Code.Canceled);
  const error = WrennError.from(reason, "internal error of the guest agent");
  const code =
    error.code === "command_not_found" ? Code.NotFound : CONNECT_CODES[ERROR_CODES[error.code].connect];
  const metadata: Record<string, string> = { [CODE_HEADER]: error.code };
  if (error.field !== undefined) metadata[FIELD_HEADER] = error.field;
  return new ConnectError(error.message, code, metadata, undefined, error);
}
