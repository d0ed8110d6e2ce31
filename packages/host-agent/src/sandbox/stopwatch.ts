// How long each phase of a transition takes.

/** Times of consecutive phases, `ms`; one that comes again is added up. */
export class Stopwatch {
  readonly laps: Record<string, number> = {};
  #last = performance.now();

  /** Ends the phase of that name. */
  lap(name: string): void {
    const now = performance.now();
    this.laps[name] = (this.laps[name] ?? 0) + now - this.#last;
    this.#last = now;
  }
}

/** Phases as they are logged: to a tenth of a millisecond. */
export function rounded(phases: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(phases).map(([name, ms]) => [name, Math.round(ms * 10) / 10]));
}
