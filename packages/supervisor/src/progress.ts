// What a person sees while something takes its time.

export interface Progress {
  /** One line. */
  say(line: string): void;
  /** Announces a step, runs it, and says how long it took when that was more than a second. */
  step<T>(what: string, work: () => Promise<T>): Promise<T>;
}

/** Progress as plain lines `wrenn: …`. */
export function lineProgress(write: (line: string) => void): Progress {
  const say = (line: string): void => write(`wrenn: ${line}\n`);
  return {
    say,
    async step(what, work) {
      say(what);
      const began = performance.now();
      const result = await work();
      const seconds = (performance.now() - began) / 1000;
      if (seconds > 1) say(`${what}: done in ${seconds.toFixed(1)} s`);
      return result;
    },
  };
}
