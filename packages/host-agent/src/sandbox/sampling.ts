// Samples what sandboxes use at a fixed interval, one round at a time.
import type { Release } from "@wrenn/core";
import type { Logger } from "pino";
import type { Samples } from "./samples.ts";

/** Starts the rounds; the returned release stops them and waits for one that is under way. */
export function startSampling(samples: Samples, intervalMs: number, log: Logger): Release {
  let round: Promise<void> | undefined;
  const timer = setInterval(() => {
    round ??= samples
      .round()
      .catch((err: unknown) => log.error({ err }, "measuring sandboxes failed"))
      .finally(() => {
        round = undefined;
      });
  }, intervalMs);
  return async () => {
    clearInterval(timer);
    await round;
  };
}
