// A test file that is told to end, by its deadline or by Ctrl-C, gives back what it took from the machine: nobody else would.

const SIGNALS = [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const;

/** What there is to give back, the oldest first. */
const held = new Set<() => Promise<void>>();
let isListening = false;

/**
 * Has `giveBack` called when this process is told to end, the latest first; then the process ends. Returns what makes it
 * forget. A process that has its own way of ending keeps that.
 */
export function whenToldToEnd(giveBack: () => Promise<void>): () => void {
  if (!isListening && SIGNALS.every(([signal]) => process.listenerCount(signal) === 0)) {
    isListening = true;
    // It may be told twice, by a terminal and by the runner.
    for (const [signal, status] of SIGNALS) process.on(signal, () => void end(status));
  }
  held.add(giveBack);
  return () => void held.delete(giveBack);
}

let isEnding = false;

async function end(status: number): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  // Tests may go on meanwhile, and take more.
  for (let latest = last(); latest !== undefined; latest = last()) {
    held.delete(latest);
    try {
      await latest();
    } catch (reason) {
      process.stderr.write(`${reason}\n`);
    }
  }
  process.exit(status);
}

function last(): (() => Promise<void>) | undefined {
  return [...held].at(-1);
}
