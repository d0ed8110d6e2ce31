import assert from "node:assert/strict";
import { test } from "node:test";
import { UnkeptAnswers } from "./unkept-answers.ts";

const DAY_MS = 24 * 3_600_000;
const entry = (body = "{}") => ({
  fingerprint: Buffer.from("f"),
  answer: { status: 200, headers: {}, body },
});

test("an answer is there until it is deleted, or a day after it was last asked for", () => {
  let now = 0;
  const answers = new UnkeptAnswers({ now: () => now });
  answers.add("a", entry());
  answers.add("b", entry());
  now = DAY_MS - 1;
  assert.deepEqual(answers.get("a")?.answer, entry().answer);
  now = DAY_MS;
  assert.equal(answers.get("b"), undefined);
  assert.ok(answers.get("a"));
  answers.delete("a");
  assert.equal(answers.get("a"), undefined);
  assert.equal(answers.hasForgotten, false, "age is no forgetting");
});

test("beyond the number the oldest goes, and that is known for a day", () => {
  let now = 0;
  const answers = new UnkeptAnswers({ maxAnswers: 2, now: () => now });
  for (const subject of ["a", "b"]) answers.add(subject, entry());
  answers.add("a", entry());
  assert.equal(answers.hasForgotten, false);
  answers.add("c", entry());
  assert.deepEqual(
    ["a", "b", "c"].map((subject) => answers.get(subject) !== undefined),
    [true, false, true],
  );
  assert.equal(answers.hasForgotten, true);
  now = DAY_MS;
  assert.equal(answers.hasForgotten, false);
});

test("beyond the size the oldest go, and what was deleted takes no room", () => {
  const answers = new UnkeptAnswers({ maxSize: 10 });
  for (let count = 0; count < 5; count++) {
    answers.add("a", entry("x".repeat(10)));
    answers.delete("a");
  }
  answers.add("b", entry("x".repeat(5)));
  answers.add("c", entry("x".repeat(5)));
  assert.equal(answers.hasForgotten, false);
  answers.add("d", entry("x"));
  assert.deepEqual(
    ["b", "c", "d"].map((subject) => answers.get(subject) !== undefined),
    [false, true, true],
  );
  assert.equal(answers.hasForgotten, true);
});
