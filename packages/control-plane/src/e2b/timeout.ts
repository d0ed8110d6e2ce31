// Time limits as E2B's clients give them.
import { BOUNDS, WrennError } from "@wrenn/core";

/** What a client that says nothing gets, seconds. */
const DEFAULT_SEC = 300;

/** Seconds, within the platform's bounds. Throws `invalid_argument` in E2B's words. */
export function timeoutOf(timeout: number | undefined, field = "timeout"): number {
  if (timeout === undefined) return DEFAULT_SEC;
  if (timeout <= 0) throw new WrennError("invalid_argument", "Timeout must be greater than 0", { field });
  const { max } = BOUNDS.timeout_sec;
  if (timeout > max) {
    throw new WrennError("invalid_argument", `Timeout cannot be greater than ${max / 3600} hours`, { field });
  }
  return timeout;
}
