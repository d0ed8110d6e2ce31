import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { planSteps } from "./plan.ts";

const HASH = "a".repeat(64);

test("each step runs in the surroundings that the steps before it have left", () => {
  const { steps, surroundings } = planSteps([
    { type: "RUN", args: ["one"] },
    { type: "ENV", args: ["A", "1", "B", "2"] },
    { type: "USER", args: ["root"] },
    { type: "WORKDIR", args: ["/srv"] },
    { type: "WORKDIR", args: ["app"] },
    { type: "RUN", args: ["two", "user"] },
    { type: "COPY", args: ["src", "./to", "", "0755"], filesHash: HASH },
  ]);
  assert.deepEqual(surroundings, { user: "root", workdir: "/srv/app", envs: { A: "1", B: "2" } });
  assert.deepEqual(steps[0]?.action, {
    type: "run",
    command: "one",
    surroundings: { user: "user", workdir: "/home/user", envs: {} },
  });
  assert.deepEqual(steps[5]?.action, {
    type: "run",
    command: "two",
    surroundings: { user: "user", workdir: "/srv/app", envs: { A: "1", B: "2" } },
  });
  assert.deepEqual(steps[6]?.action, {
    type: "copy",
    filesHash: HASH,
    source: "src",
    target: "/srv/app/to",
    owner: "root",
    mode: "0755",
  });
  assert.equal(steps[1]?.title, "ENV A B", "values of variables are not shown");
});

test("what is wrong is said with the number of its step", () => {
  for (const step of [
    { type: "RUN", args: [] },
    { type: "RUN", args: ["x", "a b"] },
    { type: "COPY", args: ["/etc/passwd", "/x"], filesHash: HASH },
    { type: "COPY", args: ["../x", "/x"], filesHash: HASH },
    { type: "COPY", args: ["x", "/x"], filesHash: "../x" },
    { type: "COPY", args: ["x", "/x", "", "99"], filesHash: HASH },
    { type: "ENV", args: ["A"] },
    { type: "ENV", args: ["A=B", "x"] },
    { type: "USER", args: [""] },
    { type: "ADD", args: ["x"] },
  ]) {
    assert.throws(() => planSteps([{ type: "RUN", args: ["true"] }, step]), {
      code: "invalid_argument",
      field: "steps[1]",
    });
  }
});

test("a working directory of any name stays one word of the shell", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (name) => {
      fc.pre(!name.includes("\0"));
      const { steps } = planSteps([{ type: "WORKDIR", args: [`/${name}`] }]);
      const { action } = steps[0] ?? {};
      assert.ok(action?.type === "run");
      const quoted = /^mkdir -p -- (.*) && chown user: -- (.*)$/su.exec(action.command);
      assert.equal(quoted?.[1], quoted?.[2]);
      const word = (quoted?.[1] ?? "").slice(1, -1).replaceAll(`'\\''`, "\u0000");
      assert.ok(!word.includes("'"));
      assert.equal(word.replaceAll("\u0000", "'"), `/${name}`);
    }),
  );
});
