// What `./wrenn test` runs: all suites, or those that are named, and one line that adds them up.
import { join } from "node:path";
import { run } from "node:test";
import { parseArgs } from "node:util";
import { type Counts, sum } from "./counts.ts";
import { type Failure, toldShort } from "./failures.ts";
import { interruptible } from "./interrupt.ts";
import { type Outcome, report } from "./report.ts";
import { shareSeed } from "./seed.ts";
import { SIDE_BY_SIDE, type Stage, stagesOf } from "./stages.ts";
import { CHECK, findSuites, LAB, type Suite } from "./suites.ts";
import { batches } from "./together.ts";
import { runTools } from "./tools.ts";

const USAGE = `usage: ./wrenn test [--list] [--only TEXT] [--lab] [SUITE…]

Runs the named suites; without a name all but those marked "on request".
  --list       show the suites and their files
  --only TEXT  only files whose path contains TEXT
  --lab        what runs in a lab, all of it and nothing else; WRENN_LAB_DIR names a running one to use,
               FIRECRACKER_BIN a Firecracker for one that is started
`;

/** A test file that takes longer hangs: the lab's takes some ten minutes, all steps of the host agent some hours. */
const FILE_TIMEOUT_MS = 25 * 60_000;
const LONG_FILE_TIMEOUT_MS = 8 * 3_600_000;

/** How many files are named with what they took. */
const SLOWEST_FILES = 25;

const repository = join(import.meta.dirname, "..");
process.env["PATH"] = `${join(repository, "node_modules/.bin")}:${process.env["PATH"]}`;

const seed = shareSeed();
process.once("exit", seed.remove);
process.exitCode = await main();

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      list: { type: "boolean", default: false },
      only: { type: "string" },
      lab: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const suites = findSuites(repository);
  const unknown = positionals.filter((name) => !suites.some((suite) => suite.name === name));
  if (values.help || unknown.length > 0) {
    const names = suites.map(({ name }) => name).join(", ");
    process.stderr.write(
      unknown.length > 0 ? `no suite ${unknown.join(", ")}; there are: ${names}\n` : USAGE,
    );
    return values.help ? 0 : 2;
  }
  const chosen = suites
    .filter(({ name, onRequest }) => (positionals.length > 0 ? positionals.includes(name) : !onRequest))
    .filter(({ name }) => name === LAB || !values.lab)
    .map((suite) => restrict(suite, values.only))
    .filter(({ name, files }) => files.length > 0 || (name === CHECK && values.only === undefined));
  if (values.list) {
    for (const suite of chosen.length > 0 && positionals.length > 0 ? chosen : suites) list(suite);
    return 0;
  }
  if (values.lab) process.env["WRENN_LONG"] = "1";
  const began = performance.now();
  const counts: Counts[] = [];
  const failures: Failure[] = [];
  const times: string[] = [];
  const slowest: [string, number][] = [];
  for (const stage of stagesOf(chosen)) {
    const [first] = stage.suites;
    if (first?.name === CHECK) {
      process.stdout.write(`\n=== ${CHECK} ===\n`);
      counts.push(await runTools(repository));
      times.push(`${CHECK} ${inSeconds(performance.now() - began)}`);
      continue;
    }
    const outcome = await interruptible((signal) => runStage(stage, signal));
    if (outcome.interrupted) {
      process.stdout.write("\ninterrupted\n");
      return 1;
    }
    counts.push(outcome.counts);
    failures.push(...outcome.failures);
    for (const { name, files } of stage.suites)
      times.push(`${name} ${inSeconds(files.reduce((sum, file) => sum + (outcome.took.get(file) ?? 0), 0))}`);
    slowest.push(...outcome.took);
  }
  const { passed, failed } = sum(counts);
  const all = inSeconds(performance.now() - began);
  process.stdout.write(
    `\n${times.join(", ")}\n${toldSlowest(slowest)}all of it in ${all}, up to ${SIDE_BY_SIDE} files at a time\n`,
  );
  for (const failure of failures) process.stdout.write(toldShort(failure, repository));
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(0)} s`;
}

/** Where the time goes, as a line: the first place to look when a run has become long. */
function toldSlowest(files: readonly [string, number][]): string {
  if (files.length === 0) return "";
  const told = files
    .toSorted(([, one], [, other]) => other - one)
    .slice(0, SLOWEST_FILES)
    .map(([file, ms]) => `${file.slice(repository.length + 1)} ${inSeconds(ms)}`);
  return `slowest: ${told.join(", ")}\n`;
}

function restrict(suite: Suite, only: string | undefined): Suite {
  if (only === undefined) return suite;
  return { ...suite, files: suite.files.filter((file) => file.includes(only)) };
}

function list({ name, files, onRequest }: Suite): void {
  process.stdout.write(`${name}${onRequest ? " (on request)" : ""}\n`);
  for (const file of files) process.stdout.write(`  ${file.slice(repository.length + 1)}\n`);
}

/** Runs the files of a stage, some of them together in one process, and reports as it goes. */
async function runStage({ suites, concurrency }: Stage, signal: AbortSignal): Promise<Outcome> {
  const processes = batches(suites, seed.directory);
  const options = {
    files: processes.map(({ entry }) => entry),
    concurrency,
    isolation: "process",
    timeout: process.env["WRENN_LONG"] === "1" ? LONG_FILE_TIMEOUT_MS : FILE_TIMEOUT_MS,
    cwd: repository,
  } as const;
  return await report(run({ ...options, signal }), processes, process.stdout, signal);
}
