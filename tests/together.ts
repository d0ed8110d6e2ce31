// Which files share a process: what each loads and starts for itself often takes longer than its tests.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Suite } from "./suites.ts";

/** Files that are run by one process, one after the other. */
export interface Batch {
  suite: string;
  /** What Node is given: a member itself, or a module that runs all of them. */
  entry: string;
  files: readonly string[];
}

/** How many files of a suite share a process, where their tests are short or need the same dear thing. */
const AT_A_TIME: Readonly<Record<string, number>> = { unit: 10, db: 9, console: 4, vmm: 5 };

/** Tests that judge their own process: what another file has left in it would count. */
const ALONE = /\.e2e\.test\.ts$|(memory|main|interrupt|stages|report)\.test\.ts$/;

/** Files of tests/e2e that use one platform, one after the other; see e2e/lent-platform.ts. */
const ON_ONE_PLATFORM: readonly (readonly string[])[] = [
  ["exec", "exec-stream", "files", "cli"],
  ["sandboxes", "confinement", "guest", "machine-death", "console"],
];

/** What the files of a process share beyond it: a function that begins it and returns what ends it. */
interface Common {
  module: string;
  begin: string;
}
const PLATFORM: Common = { module: join(import.meta.dirname, "e2e/lent-platform.ts"), begin: "lend" };
const DATABASE: Common = { module: join(import.meta.dirname, "db/database.ts"), begin: "keepServer" };
const CHROMIUM: Common = { module: join(import.meta.dirname, "console/browser.ts"), begin: "keepChromium" };
const GUEST: Common = { module: join(import.meta.dirname, "vmm/world.ts"), begin: "keepWorld" };
const COMMON: Readonly<Record<string, readonly Common[]>> = {
  db: [DATABASE],
  console: [DATABASE, CHROMIUM],
  vmm: [GUEST],
};

/** Puts the files of suites into batches, in their order. Modules that run several are written to `directory`. */
export function batches(suites: readonly Suite[], directory: string): Batch[] {
  const made: Batch[] = [];
  const add = (suite: string, files: readonly string[], common: readonly Common[] = []) => {
    const [first = ""] = files;
    if (files.length === 1) return void made.push({ suite, entry: first, files });
    const entry = join(directory, `${suite}-${made.length}.test.mjs`);
    writeFileSync(entry, moduleOf(files, common));
    made.push({ suite, entry, files });
  };
  for (const { name, files } of suites) {
    if (name === "e2e") for (const members of groupsOf(files)) add(name, members, [PLATFORM]);
    else for (const members of chunksOf(files, AT_A_TIME[name] ?? 1)) add(name, members, COMMON[name]);
  }
  return made;
}

/** Groups of those that are among the files, each where the first of it stands. */
function groupsOf(files: readonly string[]): string[][] {
  const named = (names: readonly string[], file: string) =>
    names.some((name) => file.endsWith(`/tests/e2e/${name}.test.ts`));
  const groups: string[][] = [];
  const done = new Set<string>();
  for (const file of files) {
    if (done.has(file)) continue;
    const names = ON_ONE_PLATFORM.find((each) => named(each, file));
    const members = names ? files.filter((other) => named(names, other)) : [file];
    for (const member of members) done.add(member);
    groups.push(members);
  }
  return groups;
}

/** Runs of up to `size` files, but for those that have to be alone. */
function chunksOf(files: readonly string[], size: number): string[][] {
  const chunks: string[][] = [];
  let open: string[] | undefined;
  for (const file of files) {
    if (size === 1 || ALONE.test(file)) {
      chunks.push([file]);
    } else if (open && open.length < size) {
      open.push(file);
    } else {
      open = [file];
      chunks.push(open);
    }
  }
  return chunks;
}

/**
 * A module with a suite for each file, which holds what the file says at its top: its hooks are then for its own tests
 * alone. The names of these suites are the files' paths.
 */
function moduleOf(files: readonly string[], common: readonly Common[]): string {
  const suite = (file: string) =>
    `  describe(${JSON.stringify(file)}, async () => void (await import(${JSON.stringify(file)})));\n`;
  const begin = ({ module, begin }: Common) => `import { ${begin} } from ${JSON.stringify(module)};\n`;
  return `import { after, describe } from "node:test";
${common.map(begin).join("")}describe("in one process", () => {
${common.map(({ begin }) => `  after(${begin}());\n`).join("")}${files.map(suite).join("")}});
`;
}
