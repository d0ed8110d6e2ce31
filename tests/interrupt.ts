// Ctrl-C and SIGTERM: the files that run are told to end, and the runner stays until they have.
import { setTimeout as delay } from "node:timers/promises";
import { childrenOf } from "./children.ts";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
/** A file takes down its platform, which pauses what runs: so long at most, ms. Less than `.ci/run` waits. */
const ENDING_MS = 50_000;

/** Does some work that a signal interrupts. Once the signal is aborted, it waits for the processes that the work has begun. */
export async function interruptible<T>(work: (interrupted: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const interrupt = () => controller.abort(new Error("interrupted"));
  for (const signal of SIGNALS) process.on(signal, interrupt);
  try {
    return await work(controller.signal);
  } finally {
    if (controller.signal.aborted) await childrenEnd();
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

async function childrenEnd(): Promise<void> {
  const deadline = performance.now() + ENDING_MS;
  while (childrenOf(process.pid).length > 0 && performance.now() < deadline) await delay(5);
}
