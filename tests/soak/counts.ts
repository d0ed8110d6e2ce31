// What a soak has done, in numbers and in a line.

export interface Counts {
  cycles: number;
  forks: number;
  snapshots: number;
  restores: number;
  /** Sandboxes made from named snapshots. */
  clones: number;
  /** Ends of the host agent by SIGKILL. */
  kills: number;
  /** Of the kills, those that came while the agent was at work on an operation. */
  midway: number;
  /** Ends of the host agent by SIGTERM. */
  stops: number;
  verifications: number;
  memoryBytes: number;
  fileBytes: number;
  /** How many snapshots lie behind the deepest one. */
  generation: number;
}

export function noCounts(): Counts {
  return {
    cycles: 0,
    forks: 0,
    snapshots: 0,
    restores: 0,
    clones: 0,
    kills: 0,
    midway: 0,
    stops: 0,
    verifications: 0,
    memoryBytes: 0,
    fileBytes: 0,
    generation: 0,
  };
}

/** One line, without an end. */
export function describe(counts: Counts): string {
  const mib = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
  return [
    `${counts.cycles} cycles`,
    `${counts.generation} generations deep`,
    `${counts.forks} forks`,
    `${counts.snapshots} snapshots`,
    `${counts.clones} clones`,
    `${counts.restores} restores`,
    `agent killed ${counts.kills} times (${counts.midway} midway), stopped ${counts.stops} times`,
    `verified ${counts.verifications} times, ${mib(counts.memoryBytes)} of memory, ${mib(counts.fileBytes)} of files`,
  ].join(", ");
}
