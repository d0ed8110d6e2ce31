// What `./wrenn test` runs: all suites, or those that are named, and one line that adds them up.
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { parseArgs } from "node:util";
import { type Counts, strictCounts, sum } from "./counts.ts";
import { type Failure, toFailure, toldShort } from "./failures.ts";
import { withLab } from "./lab/with-lab.ts";
import { CHECK, findSuites, type Suite } from "./suites.ts";
import { runTools } from "./tools.ts";

const USAGE = `usage: ./wrenn test [--list] [--only TEXT] [--lab] [SUITE…]

Runs the named suites; without a name all but those marked "on request".
  --list       show the suites and their files
  --only TEXT  only files whose path contains TEXT
  --lab        the suites that run in a lab, and no others; WRENN_LAB_DIR names a running one to use
`;

/** A test file that takes longer hangs. */
const FILE_TIMEOUT_MS = 15 * 60_000;

const repository = join(import.meta.dirname, "..");
process.env["PATH"] = `${join(repository, "node_modules/.bin")}:${process.env["PATH"]}`;

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
    .filter(({ lab }) => lab || !values.lab)
    .map((suite) => restrict(suite, values.only))
    .filter(({ name, files }) => files.length > 0 || (name === CHECK && values.only === undefined));
  if (values.list) {
    for (const suite of chosen.length > 0 && positionals.length > 0 ? chosen : suites) list(suite);
    return 0;
  }
  const counts: Counts[] = [];
  const failures: Failure[] = [];
  const times: string[] = [];
  for (const suite of chosen) {
    process.stdout.write(`\n=== ${suite.name} ===\n`);
    const began = performance.now();
    if (suite.name === CHECK) counts.push(await runTools(repository));
    else
      counts.push(await (suite.lab ? withLab(() => runSuite(suite, failures)) : runSuite(suite, failures)));
    times.push(`${suite.name} ${((performance.now() - began) / 1000).toFixed(0)} s`);
  }
  const { passed, failed } = sum(counts);
  process.stdout.write(`\n${times.join(", ")}\n`);
  for (const failure of failures) process.stdout.write(toldShort(failure, repository));
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

function restrict(suite: Suite, only: string | undefined): Suite {
  if (only === undefined) return suite;
  return { ...suite, files: suite.files.filter((file) => file.includes(only)) };
}

function list({ name, files, onRequest }: Suite): void {
  process.stdout.write(`${name}${onRequest ? " (on request)" : ""}\n`);
  for (const file of files) process.stdout.write(`  ${file.slice(repository.length + 1)}\n`);
}

/** Runs the files of a suite, each in a process of its own, and reports as it goes. */
async function runSuite({ files, concurrency }: Suite, failures: Failure[]): Promise<Counts> {
  const stream = run({ files, concurrency, isolation: "process", timeout: FILE_TIMEOUT_MS, cwd: repository });
  let counts: Counts | undefined;
  stream.on("test:fail", (event) => {
    const failure = toFailure(event);
    if (failure !== undefined) failures.push(failure);
  });
  stream.on("test:summary", (summary) => {
    // One for each file, which names it, and one for the whole.
    if (summary.file === undefined) counts = strictCounts(summary.counts);
  });
  const report = stream.compose(spec);
  report.pipe(process.stdout, { end: false });
  await finished(report);
  return counts ?? { passed: 0, failed: 1 };
}
