// Failures of talking to a guest, as the platform's own errors.
import { Code, ConnectError } from "@connectrpc/connect";
import { type ErrorCode, isErrorCode, WrennError } from "@wrenn/core";

const FROM_CONNECT: Partial<Record<Code, ErrorCode>> = {
  [Code.InvalidArgument]: "invalid_argument",
  [Code.NotFound]: "not_found",
  [Code.AlreadyExists]: "already_exists",
  [Code.DeadlineExceeded]: "deadline_exceeded",
  [Code.ResourceExhausted]: "capacity",
  [Code.Unimplemented]: "not_implemented",
};

/**
 * A thrown value from the guest's side as a WrennError. What the agent itself said keeps its code (metadata
 * `wrenn-code`); whatever else went wrong between here and there is `guest_unreachable`.
 */
export function guestError(reason: unknown, attempted: string): WrennError {
  if (reason instanceof WrennError) return reason;
  if (reason instanceof ConnectError) {
    // An unknown user is the caller's mistake here: the agent's token is ours and known to be right.
    if (reason.code === Code.Unauthenticated) {
      return new WrennError("invalid_argument", reason.rawMessage, { cause: reason, field: "user" });
    }
    const named = reason.metadata.get("wrenn-code") ?? "";
    const field = reason.metadata.get("wrenn-field") ?? undefined;
    if (isErrorCode(named)) return new WrennError(named, reason.rawMessage, { cause: reason, field });
    const mapped = FROM_CONNECT[reason.code];
    if (mapped) return new WrennError(mapped, reason.rawMessage, { cause: reason });
  }
  return new WrennError("guest_unreachable", `${attempted}: the connection to the guest agent was lost`, {
    cause: reason,
  });
}
