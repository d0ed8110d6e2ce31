// The way out when saved memory does not fit a host, or is not what was saved.
import { type ErrorCode, WrennError } from "@wrenn/core";

const REFUSALS: ReadonlySet<ErrorCode> = new Set(["snapshot_incompatible", "snapshot_damaged"]);

/**
 * For `catch()`: names what to do instead when a host refuses saved memory with `snapshot_incompatible` or
 * `snapshot_damaged`, behind the host's reason. Every other error passes, and all of them when just that was asked for.
 */
export function offerColdStart(instead: string, asked?: string): (reason: unknown) => never {
  return (reason) => {
    if (!(reason instanceof WrennError) || !REFUSALS.has(reason.code) || asked === "cold") throw reason;
    throw new WrennError(reason.code, `${reason.message}; to boot from the saved disk, ${instead}`, {
      field: reason.field,
      cause: reason,
    });
  };
}
