// Which suites there are, and the files of each.
import { globSync, readdirSync } from "node:fs";
import { join } from "node:path";

export interface Suite {
  name: string;
  /** Test files, absolute and sorted. Empty for `check`, which runs tools instead. */
  files: string[];
  /** Its files have the machine to themselves; those of all others run beside one of any suite. */
  alone: boolean;
  /** Runs only when it is named: it downloads a lot, or takes more than minutes. */
  onRequest: boolean;
}

/** The type checker, the linter and the schema linter. */
export const CHECK = "check";

/** What runs against the host agent of a lab; see lab/main.ts. */
export const LAB = "lab";

/**
 * Cheap ones first, so that a mistake shows early; then those with the longest files, and with many that share a process,
 * so that none of them is the last one, alone; folders that are not listed follow by name.
 */
const ORDER = [
  CHECK,
  "unit",
  LAB,
  "db",
  "e2e",
  "e2b-sdk",
  "faults",
  "vmm",
  "soak",
  "clones",
  "fuzz",
  "console",
];
const ON_REQUEST = new Set(["bench", "bootstrap", "code-interpreter", "template"]);
/** Files of other suites that run only in a long run: they install or build for minutes. */
const TAKES_LONG = /\/long\//;
const LONG = process.env["WRENN_LONG"] === "1";
/** Suites that look at the whole machine, where a file beside them would show, or that measure time. */
const ALONE = new Set(["bench", "crash", "pace"]);

/** With WRENN_LONG also what takes long. `check`, `unit` (beside the code and tests/unit) and every other folder of tests/ that holds a test. */
export function findSuites(repository: string): Suite[] {
  const folders = readdirSync(join(repository, "tests"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== "node_modules")
    .map((entry) => entry.name);
  const names = [...new Set([CHECK, "unit", ...folders])];
  return names
    .map((name) => ({
      name,
      files: testFiles(repository, name),
      alone: ALONE.has(name),
      onRequest: ON_REQUEST.has(name),
    }))
    .filter(({ name, files }) => name === CHECK || files.length > 0)
    .sort((a, b) => rank(a.name) - rank(b.name) || a.name.localeCompare(b.name));
}

function testFiles(repository: string, suite: string): string[] {
  const patterns = [`tests/${suite}/**/*.test.ts`];
  if (suite === "unit")
    patterns.push("tests/*.test.ts", "packages/*/src/**/*.test.ts", "bench/**/*.test.ts", "lab/**/*.test.ts");
  return globSync(patterns, { cwd: repository })
    .filter((file) => LONG || !TAKES_LONG.test(file))
    .map((file) => join(repository, file))
    .sort();
}

function rank(name: string): number {
  const at = ORDER.indexOf(name);
  return at < 0 ? ORDER.length : at;
}
