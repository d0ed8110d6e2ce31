// What signals mean to a supervisor: the first asks it to stop, and a later one may be somebody who insists.

/** One cause is told several times over within this time, `ms`: by the terminal to the whole group, and by whoever forwards it. */
const ECHO_MS = 1_000;

export class StopRequests {
  #firstAt: number | undefined;

  /**
   * What to do at a signal, if anything. A terminal that closes sends SIGHUP, to every process of the group and more than
   * once; nobody is there any more who could insist.
   */
  receive(signal: string, now = performance.now()): "stop" | "hurry" | undefined {
    if (this.#firstAt === undefined) {
      this.#firstAt = now;
      return "stop";
    }
    return signal === "SIGHUP" || now - this.#firstAt < ECHO_MS ? undefined : "hurry";
  }
}
