// Whether the API answers.
import { WrennError } from "@wrenn/core";
import { until } from "@wrenn/linux";

/** A control plane takes a second or more to load: asking it every few milliseconds would take the processor that it needs. */
const LONGEST_PAUSE_MS = 30;

/** Resolves when `GET /health` answers 200; `deadline_exceeded` with the last answer after `timeoutMs`. */
export async function waitUntilHealthy(url: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
  let last = "no answer";
  const healthy = async (): Promise<boolean> => {
    const answer = await askHealth(url);
    last = answer.what;
    return answer.ok;
  };
  if (!(await until(healthy, { timeoutMs, longestPauseMs: LONGEST_PAUSE_MS, signal }))) {
    throw new WrennError("deadline_exceeded", `${url}/health: ${last} after ${timeoutMs / 1000} s`);
  }
}

/** One `GET /health`. Never throws. */
export async function askHealth(url: string): Promise<{ ok: boolean; what: string }> {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(5_000) });
    await response.body?.cancel();
    return { ok: response.status === 200, what: `status ${response.status}` };
  } catch (error) {
    const cause = (error as Error).cause;
    return { ok: false, what: (cause instanceof Error ? cause : (error as Error)).message };
  }
}
