// What the files of a stage print: one after the other whichever ends first, under the names of their suites; and what
// they counted and took.
import { finished } from "node:stream/promises";
import type { run } from "node:test";
import { spec } from "node:test/reporters";
import { type Counts, strictCounts } from "./counts.ts";
import { type Failure, toFailure } from "./failures.ts";
import type { Suite } from "./suites.ts";

export interface Outcome {
  counts: Counts;
  failures: Failure[];
  /** What each file took, ms: together more than the time that went by where two ran side by side. */
  took: Map<string, number>;
  /** It did not come to its end. */
  interrupted: boolean;
}

/** Events that come when it happens; all others wait until the files before theirs are told. */
const AT_ONCE = new Set(["test:enqueue", "test:dequeue", "test:complete"]);

/** Tells a run of `node:test` over the files of suites to its end, as text; nothing more once it is interrupted. */
export async function report(
  events: ReturnType<typeof run>,
  suites: readonly Suite[],
  output: NodeJS.WritableStream,
  interrupted?: AbortSignal,
): Promise<Outcome> {
  const suiteOf = new Map(suites.flatMap(({ name, files }) => files.map((file) => [file, name] as const)));
  const took = new Map<string, number>();
  const began = new Map<string, number>();
  const failures: Failure[] = [];
  let counts: Counts | undefined;
  let section = new Section(output);
  for await (const event of events) {
    // All that has not ended would be told as a failure.
    if (interrupted?.aborted) continue;
    const { type, data } = event;
    const suite = suiteOf.get(fileOf(data));
    if (suite !== undefined && suite !== section.name && !AT_ONCE.has(type)) {
      await section.end();
      section = new Section(output, suite);
    }
    section.write(event);
    if (type === "test:fail") {
      const failure = toFailure(data);
      if (failure !== undefined) failures.push(failure);
    }
    // One for each file, which names it, and one for the whole.
    if (type === "test:summary" && data.file === undefined) counts = strictCounts(data.counts);
    // A file itself is a test whose name is its path.
    if (type === "test:dequeue") began.set(data.name, performance.now());
    const begin =
      type === "test:complete" && suiteOf.get(data.name) === suite ? began.get(data.name) : undefined;
    if (suite !== undefined && begin !== undefined) took.set(data.name, performance.now() - begin);
  }
  await section.end();
  return {
    counts: counts ?? { passed: 0, failed: 1 },
    failures,
    took,
    interrupted: interrupted?.aborted === true,
  };
}

/** Of the event's data; empty for what belongs to no file. */
function fileOf(data: object): string {
  return "file" in data ? String(data.file) : "";
}

/** The part of a suite: its heading, its tests, and once more what failed, with the reason. */
class Section {
  readonly name: string | undefined;
  readonly #reporter = new spec();

  constructor(output: NodeJS.WritableStream, name?: string) {
    this.name = name;
    if (name !== undefined) output.write(`\n=== ${name} ===\n`);
    this.#reporter.pipe(output, { end: false });
  }

  write(event: object): void {
    this.#reporter.write(event);
  }

  async end(): Promise<void> {
    this.#reporter.end();
    await finished(this.#reporter);
  }
}
