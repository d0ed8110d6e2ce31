import assert from "node:assert/strict";
import { test } from "node:test";
import { layerKeys } from "./layer-key.ts";
import { planSteps, type Step } from "./plan.ts";

const HASH = "a".repeat(64);
const keys = (steps: Step[], origin = "parent") => layerKeys(origin, planSteps(steps).steps).keys;
const run = (command: string): Step => ({ type: "RUN", args: [command] });

test("a key is the same for the same history, and another after any difference", () => {
  const steps = [run("one"), run("two"), { type: "COPY", args: ["a", "b"], filesHash: HASH }];
  assert.deepEqual(keys(steps), keys(steps));
  assert.equal(new Set(keys(steps)).size, 3);
  const [first, second, third] = keys(steps);
  assert.notEqual(keys(steps, "other")[0], first);
  const changed = keys([run("one"), run("other"), steps[2] as Step]);
  assert.equal(changed[0], first);
  assert.notEqual(changed[1], second);
  assert.notEqual(changed[2], third);
  const files = keys([run("one"), run("two"), { type: "COPY", args: ["a", "b"], filesHash: "b".repeat(64) }]);
  assert.equal(files[1], second);
  assert.notEqual(files[2], third);
});

test("what a step finds around it is part of its key", () => {
  const after = (before: Step) => keys([before, run("x")])[1];
  const plain = keys([run("x")])[0];
  assert.equal(after({ type: "ENV", args: ["A", "1"] }) === plain, false);
  assert.notEqual(after({ type: "ENV", args: ["A", "1"] }), after({ type: "ENV", args: ["A", "2"] }));
  assert.notEqual(after({ type: "USER", args: ["root"] }), plain);
  assert.notEqual(after({ type: "WORKDIR", args: ["/srv"] }), plain);
  assert.equal(
    after({ type: "ENV", args: ["A", "1", "B", "2"] }),
    after({ type: "ENV", args: ["B", "2", "A", "1"] }),
  );
});

test("a step that only changes its surroundings has the key of the one before", () => {
  const [one, env, user] = keys([
    run("one"),
    { type: "ENV", args: ["A", "1"] },
    { type: "USER", args: ["root"] },
  ]);
  assert.deepEqual([env, user], [one, one]);
});
