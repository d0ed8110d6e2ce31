// Ending processes for certain: the right one, and only reported gone when it is.
import { WrennError } from "@wrenn/core";
import { until } from "../run/until.ts";
import { isAlive, type ProcessIdentity } from "./identity.ts";

/** Sends a signal to that very process. False when it has ended already. */
export function kill(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    return process.kill(identity.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/**
 * Waits for the end of a process that need not be a child of this one; its exit status therefore
 * stays unknown. True when it has ended, false when the time was up first.
 */
export async function waitForExit(
  identity: ProcessIdentity,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<boolean> {
  return until(() => !isAlive(identity), { timeoutMs, signal });
}

/** SIGKILL for all of them, then waits until every one is gone. Returns those that were still alive. */
export async function killAll(
  identities: readonly ProcessIdentity[],
  timeoutMs = 10_000,
): Promise<ProcessIdentity[]> {
  const signalled = identities.filter((identity) => kill(identity, "SIGKILL"));
  const gone = await until(() => !signalled.some(isAlive), { timeoutMs });
  if (!gone) {
    const left = signalled.filter(isAlive).map((identity) => identity.pid);
    throw new WrennError(
      "deadline_exceeded",
      `processes ${left.join(", ")} did not end ${timeoutMs} ms after SIGKILL`,
    );
  }
  return signalled;
}
