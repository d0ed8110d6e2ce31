// The log of a build from steps, and how it ended.

export interface LogEntry {
  timestamp: Date;
  level: "debug" | "info" | "warn" | "error";
  message: string;
  /** Number of the step, as text; the first is 1. */
  step: string | undefined;
}

export interface Failure {
  message: string;
  step: string | undefined;
}

/** Bounds of the log: what comes after them is counted and not kept. */
const MAX_ENTRIES = 20_000;
const MAX_CHARS = 2_000;

export class StepBuildRecord {
  readonly id: string;
  readonly owner: string;
  readonly template: string;
  /** What the template is to be called behind its name's colon; `default` for the name itself. */
  readonly tags: readonly string[];
  status: "waiting" | "building" | "ready" | "error" = "waiting";
  failure: Failure | undefined;
  readonly #entries: LogEntry[] = [];

  constructor(of: Pick<StepBuildRecord, "id" | "owner" | "template" | "tags">) {
    this.id = of.id;
    this.owner = of.owner;
    this.template = of.template;
    this.tags = of.tags;
  }

  get over(): boolean {
    return this.status === "ready" || this.status === "error";
  }

  log(level: LogEntry["level"], text: string, step?: string): void {
    if (this.#entries.length >= MAX_ENTRIES) return;
    const message = text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text;
    this.#entries.push({ timestamp: new Date(), level, message, step });
    if (this.#entries.length === MAX_ENTRIES - 1) this.log("warn", "the log is full; the rest is left out");
  }

  entries(offset: number, max: number): LogEntry[] {
    return this.#entries.slice(offset, offset + max);
  }
}
