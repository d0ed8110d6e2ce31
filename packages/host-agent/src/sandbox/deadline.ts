// Time limits that no activity moves: the deadline mode of the time-out.
import type { SandboxRecord } from "./record.ts";

type Clock = Pick<SandboxRecord, "ttlMode" | "timeoutSec" | "deadline">;

/** The deadline of a sandbox whose time begins now, in `ms` since the epoch; null when it has none. */
export function newDeadline(
  { ttlMode, timeoutSec }: Omit<Clock, "deadline">,
  now = Date.now(),
): number | null {
  return ttlMode === "deadline" && timeoutSec > 0 ? now + timeoutSec * 1000 : null;
}

/**
 * The record's clock after a caller has asked for `timeoutSec` from now on. A caller that only extends never brings the
 * end nearer, and leaves a sandbox that goes by inactivity as it is; any other makes the limit a deadline.
 */
export function moveDeadline(
  clock: Clock,
  { timeoutSec, extendOnly }: { timeoutSec: number; extendOnly: boolean },
  now = Date.now(),
): Clock {
  const { ttlMode, deadline } = clock;
  if (extendOnly && ttlMode === "inactivity") return clock;
  const moved = newDeadline({ ttlMode: "deadline", timeoutSec }, now);
  if (extendOnly && (deadline === null || (moved !== null && moved <= deadline))) return clock;
  return { ttlMode: "deadline", timeoutSec, deadline: moved };
}
