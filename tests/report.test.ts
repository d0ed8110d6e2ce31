import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { after, before, it, run } from "node:test";
import { report } from "./report.ts";
import type { Suite } from "./suites.ts";
import { batches } from "./together.ts";

let dir = "";
before(() => {
  dir = mkdtempSync(join(tmpdir(), "wrenn-report-"));
});
after(() => rmSync(dir, { recursive: true }));

/** A test file that prints, waits until another one has come so far, prints again, and passes or fails. */
function file(
  name: string,
  { waitsFor, fails = false }: { waitsFor?: string; fails?: boolean } = {},
): string {
  const path = join(dir, `${name}.test.mjs`);
  writeFileSync(
    path,
    `import { existsSync, writeFileSync } from "node:fs";
import { it } from "node:test";
console.log("${name} begins");
it("${name} does it", async () => {
  while (${waitsFor !== undefined} && !existsSync(${JSON.stringify(join(dir, String(waitsFor)))}))
    await new Promise((resolve) => setTimeout(resolve, 5));
  console.log("${name} goes on");
  writeFileSync(${JSON.stringify(join(dir, name))}, "");
  if (${fails}) throw new Error("${name} is broken");
});
`,
  );
  return path;
}

const suite = (name: string, files: string[]): Suite => ({
  name,
  files,
  alone: false,
  onRequest: false,
});

/** Runs files two at a time, those of `unit` in one process; the text, and what came of it. */
async function told(suites: Suite[]) {
  let text = "";
  const output = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  const processes = batches(suites, dir);
  const files = processes.map(({ entry }) => entry);
  // A file of node:test that runs node:test: what marks it as a child must not reach its children.
  const { NODE_TEST_CONTEXT: context } = process.env;
  delete process.env["NODE_TEST_CONTEXT"];
  try {
    const events = run({ files, concurrency: 2, isolation: "process" });
    return { ...(await report(events, processes, output)), text };
  } finally {
    if (context !== undefined) process.env["NODE_TEST_CONTEXT"] = context;
  }
}

it("tells files in their order under their suites, counts all of them, and names the one that failed", async () => {
  const [one, two, three] = [
    file("one", { waitsFor: "three" }),
    file("two", { fails: true }),
    file("three"),
  ] as const;
  const { text, counts, failures, took } = await told([suite("first", [one, two]), suite("second", [three])]);
  const marks = ["=== first ===", "one begins", "one goes on", "two begins", "two goes on", "two is broken"];
  marks.push("=== second ===", "three begins", "three goes on");
  const places = marks.map((mark) => text.indexOf(mark));
  assert.ok(
    places.every((at, i) => at >= 0 && at > (places[i - 1] ?? -1)),
    text,
  );
  assert.deepEqual(counts, { passed: 2, failed: 1 });
  assert.deepEqual(
    failures.map(({ file: path, name }) => [path, name]),
    [[two, "two does it"]],
  );
  assert.match(failures[0]?.reason ?? "", /two is broken/);
  assert.deepEqual([...took.keys()].toSorted(), [one, two, three].toSorted());
  assert.ok([...took.values()].every((ms) => ms > 0));
});

it("counts a file that ends before its tests as failed, and shows what it said", async () => {
  const path = join(dir, "dead.test.mjs");
  writeFileSync(path, `console.error("last words"); process.exit(3);`);
  const { text, counts, failures } = await told([suite("dead", [path])]);
  assert.match(text, /last words/);
  assert.deepEqual(counts, { passed: 0, failed: 1 });
  assert.equal(failures.length, 1);
});

it("tells each of the files that share a process, and counts one that cannot be loaded", async () => {
  const [one, two] = [file("shared one"), file("shared two", { fails: true })];
  const broken = join(dir, "broken.test.mjs");
  writeFileSync(broken, `throw new Error("not a test");`);
  const { text, counts, failures, took } = await told([suite("unit", [one, broken, two])]);
  assert.match(text, /=== unit ===.*shared one goes on.*shared two goes on/s);
  assert.deepEqual(counts, { passed: 1, failed: 2 });
  assert.deepEqual(
    failures.map(({ reason }) => /not a test|is broken/.exec(reason)?.[0]),
    ["not a test", "is broken"],
  );
  assert.deepEqual([...took.keys()].toSorted(), [one, broken, two].toSorted());
});

it("counts what fails after the tests", async () => {
  const path = join(dir, "untidy.test.mjs");
  const hook = `after(() => { throw new Error("left behind"); });`;
  writeFileSync(
    path,
    `import { after, describe, it } from "node:test"; describe("untidy", () => { ${hook} it("works", () => {}); });`,
  );
  const { counts, failures } = await told([suite("untidy", [path])]);
  assert.deepEqual(counts, { passed: 1, failed: 1 });
  assert.match(failures[0]?.reason ?? "", /left behind/);
});
