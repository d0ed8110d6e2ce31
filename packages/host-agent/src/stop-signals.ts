// The signals that ask a host agent to stop.

/**
 * Runs `stop` at the first SIGTERM, SIGINT or SIGHUP. More of them change nothing, where the default would end the process in the
 * middle of a pause. They come without anybody insisting: from a process group that is told as a whole, and from the
 * kernel when the supervisor dies. Who does insist has SIGKILL.
 */
export function onFirstSignal(process: NodeJS.EventEmitter, stop: (signal: string) => Promise<void>): void {
  let isStopping = false;
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (isStopping) return;
      isStopping = true;
      void stop(signal);
    });
  }
}
