// Failures as a host agent tells them.
import { type Code, ConnectError } from "@connectrpc/connect";
import type { ErrorCode } from "@wrenn/core";

/** A failure as a host agent tells it. */
export function hostError(
  code: ErrorCode,
  connect: Code,
  message = `the host says ${code}`,
  field?: string,
): ConnectError {
  return new ConnectError(message, connect, {
    "wrenn-code": code,
    ...(field !== undefined && { "wrenn-field": field }),
  });
}
