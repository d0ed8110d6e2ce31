// What a build tells those who wait for it.

export interface BuildStep {
  /** Short and for people: `install packages`. */
  name: string;
  done: boolean;
  /** How long it took; set when it is done. */
  millis?: number;
}

/** Part of the options of everything here that takes longer than a moment. */
export interface BuildOptions {
  /** Directory of finished parts. Made if missing; may be shared by any number of processes. */
  cacheDir: string;
  /** Told when a step begins and when it is done. Steps whose result is in the cache are not told. */
  onStep?: ((step: BuildStep) => void) | undefined;
  /** Ends the work; what was half done is removed by the next build of the same thing. */
  signal?: AbortSignal | undefined;
}

/** Runs one step between its two announcements. A step that fails is not announced as done. */
export async function step<T>(
  options: Pick<BuildOptions, "onStep" | "signal">,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  options.signal?.throwIfAborted();
  options.onStep?.({ name, done: false });
  const began = performance.now();
  const result = await work();
  options.onStep?.({ name, done: true, millis: Math.round(performance.now() - began) });
  return result;
}
