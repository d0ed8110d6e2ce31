// One JSON line per event on stdout, written when the agent has nothing better to do.
import { writeSync } from "node:fs";

/** Lines wait this long: a guest's console is slow, and an answer must not wait for it. */
const DELAY_MS = 25;

/** Lines that wait beyond this are counted instead. */
const MAX_WAITING = 256;

export type LogFields = Record<string, string | number | boolean | undefined>;

export class Log {
  #lines: string[] = [];
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Notes an event. Never pass contents, environment values or tokens. */
  write(level: "info" | "warn" | "error", msg: string, fields: LogFields = {}): void {
    if (this.#lines.length >= MAX_WAITING) {
      this.#dropped++;
      return;
    }
    this.#lines.push(JSON.stringify({ time: new Date().toISOString(), level, msg, ...fields }));
    this.#timer ??= setTimeout(() => this.flush(), DELAY_MS);
  }

  /** Writes what waits, now. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#lines.length === 0) return;
    const lines = this.#lines;
    this.#lines = [];
    if (this.#dropped > 0)
      lines.push(JSON.stringify({ level: "warn", msg: "lines dropped", count: this.#dropped }));
    this.#dropped = 0;
    try {
      writeSync(1, `${lines.join("\n")}\n`);
    } catch {
      // Nobody takes the log (EPIPE, EAGAIN): the agent works without.
    }
  }
}
