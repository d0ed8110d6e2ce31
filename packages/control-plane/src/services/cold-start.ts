// The way out when saved memory does not fit a host.
import { WrennError } from "@wrenn/core";

/**
 * For `catch()`: names what to do instead when a host refuses saved memory with `snapshot_incompatible`, behind
 * the host's reason. Every other error passes.
 */
export function offerColdStart(instead: string): (reason: unknown) => never {
  return (reason) => {
    if (!(reason instanceof WrennError) || reason.code !== "snapshot_incompatible") throw reason;
    throw new WrennError(reason.code, `${reason.message}; to boot from the saved disk, ${instead}`, {
      field: reason.field,
      cause: reason,
    });
  };
}
