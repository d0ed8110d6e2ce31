// What the files of a stage print: one after the other whichever ends first, under the names of their suites; and what
// they counted and took.
import { finished } from "node:stream/promises";
import type { run } from "node:test";
import { spec } from "node:test/reporters";
import { type Counts, strictCounts } from "./counts.ts";
import { type Failure, toFailure } from "./failures.ts";
import type { Batch } from "./together.ts";

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

/** Tells a run of `node:test` over batches of files to its end, as text; nothing more once it is interrupted. */
export async function report(
  events: ReturnType<typeof run>,
  batches: readonly Batch[],
  output: NodeJS.WritableStream,
  interrupted?: AbortSignal,
): Promise<Outcome> {
  const files = new Set(batches.flatMap((batch) => batch.files));
  const suiteOf = new Map(
    batches.flatMap(({ suite, entry, files }) => [entry, ...files].map((file) => [file, suite] as const)),
  );
  const took = new Map<string, number>();
  const began = new Map<string, number>();
  const failures: Failure[] = [];
  let counts: Counts | undefined;
  let brokenSuites = 0;
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
      if (failure !== undefined && data.details.type === "suite") brokenSuites += 1;
    }
    // One for each file, which names it, and one for the whole.
    if (type === "test:summary" && data.file === undefined) counts = strictCounts(data.counts);
    // A file itself is a test whose name is its path, also where others share its process.
    if (type === "test:dequeue") began.set(data.name, performance.now());
    const begin = type === "test:complete" && files.has(data.name) ? began.get(data.name) : undefined;
    if (begin !== undefined) took.set(data.name, performance.now() - begin);
  }
  await section.end();
  const { passed, failed } = counts ?? { passed: 0, failed: 1 };
  return {
    // Only tests are counted: a suite that cannot be loaded, or whose hook fails after its tests, has no test that failed.
    counts: { passed, failed: failed + brokenSuites },
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
