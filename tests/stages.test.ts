import assert from "node:assert/strict";
import { join } from "node:path";
import { it } from "node:test";
import { stagesOf } from "./stages.ts";
import { CHECK, findSuites, type Suite } from "./suites.ts";

const suite = (name: string, more: Partial<Suite> = {}): Suite => ({
  name,
  files: [`/${name}.test.ts`],
  alone: false,
  onRequest: false,
  ...more,
});
const named = (suites: Suite[]) =>
  stagesOf(suites).map(({ suites: together, concurrency }) => [
    together.map(({ name }) => name).join(" "),
    concurrency,
  ]);

it("suites that may have company are one queue of two at a time, the others stages of their own", () => {
  const suites = [
    suite(CHECK),
    suite("a"),
    suite("whole", { alone: true }),
    suite("b"),
    suite("c"),
    suite("other", { alone: true }),
  ];
  assert.deepEqual(named(suites), [
    [CHECK, 1],
    ["a b c", 2],
    ["whole", 1],
    ["other", 1],
  ]);
});

it("no suite makes no stage", () => assert.deepEqual(stagesOf([]), []));

it("of this repository's files each runs once, and what looks at the whole machine has no company", () => {
  const repository = join(import.meta.dirname, "..");
  const suites = findSuites(repository);
  const stages = stagesOf(suites);
  const files = stages.flatMap((stage) => stage.suites.flatMap((each) => each.files));
  assert.deepEqual(files.toSorted(), suites.flatMap((each) => each.files).toSorted());
  assert.equal(new Set(files).size, files.length);
  const crash = join(repository, "tests/crash/crash.test.ts");
  const stage = stages.find((each) => each.suites.some((one) => one.files.includes(crash)));
  assert.deepEqual([stage?.suites.length, stage?.concurrency], [1, 1]);
});
