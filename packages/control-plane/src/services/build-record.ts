// One build as it can be looked at: its steps, and the end of its log.
import type { TemplateBuild } from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import type { BuildTemplateResponse_Step } from "@wrenn/rpc/hostagent";
import type { BaseTemplate } from "../db/queries/templates.ts";
import { baseTemplate } from "../hosts/base-template.ts";
import type { BuildEvents } from "./build-events.ts";

/** Bounds of the log: the first lines go first. */
const MAX_LINES = 10_000;
const MAX_LINE_CHARS = 2_000;

type Step = TemplateBuild["steps"][number];

export class BuildRecord {
  readonly name: string;
  readonly recipe: string;
  readonly #started = new Date();
  readonly #steps: Step[] = [];
  #lines: string[] = [];
  /** Lines that are no longer there, in front of `#lines`. */
  #gone = 0;
  #finished: Date | undefined;
  #error: string | undefined;

  constructor(name: string, recipe: string) {
    this.name = name;
    this.recipe = recipe;
  }

  get running(): boolean {
    return this.#finished === undefined;
  }

  /** Takes the events in until the template is there. Throws when they end without one. */
  async follow(events: BuildEvents): Promise<BaseTemplate> {
    for await (const event of events) {
      if (event.case === "ready") return baseTemplate(event.value);
      if (event.case === "step") this.#step(event.value);
      if (event.case === "log") this.#line(event.value);
    }
    throw new WrennError("internal", `the build of template ${this.name} broke off`);
  }

  end(error?: string): void {
    this.#finished = new Date();
    this.#error = error;
    if (error === undefined) return;
    for (const step of this.#steps) if (step.status === "running") step.status = "error";
  }

  view(): TemplateBuild {
    const failed = this.#error === undefined ? "ready" : "error";
    return {
      name: this.name,
      status: this.running ? "building" : failed,
      steps: this.#steps.map((step) => ({ ...step })),
      ...(this.#error !== undefined && { error: this.#error }),
      started_at: this.#started.toISOString(),
      ...(this.#finished && { finished_at: this.#finished.toISOString() }),
    };
  }

  /** Lines from an offset on; the offset counts from the build's first line. */
  logFrom(offset: number, max: number): { log: string[]; next_offset: number } {
    const end = this.#gone + this.#lines.length;
    const from = Math.min(Math.max(offset, this.#gone), end);
    const log = this.#lines.slice(from - this.#gone, from - this.#gone + max);
    return { log, next_offset: from + log.length };
  }

  #step({ name, millis, done }: BuildTemplateResponse_Step): void {
    let step = this.#steps.find((candidate) => candidate.name === name);
    if (!step) {
      step = { name, status: "running" };
      this.#steps.push(step);
    }
    if (!done) return;
    step.status = "done";
    step.duration_ms = Number(millis);
  }

  #line(text: string): void {
    this.#lines.push(text.length > MAX_LINE_CHARS ? `${text.slice(0, MAX_LINE_CHARS)}…` : text);
    if (this.#lines.length <= 2 * MAX_LINES) return;
    this.#gone += this.#lines.length - MAX_LINES;
    this.#lines = this.#lines.slice(-MAX_LINES);
  }
}
