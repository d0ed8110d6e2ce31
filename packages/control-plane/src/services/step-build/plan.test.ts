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

test("a path may be named in terms of the one before; login shells are told of it, and nothing else is replaced", () => {
  const { steps, surroundings } = planSteps([
    { type: "ENV", args: ["PATH", "/opt/bin:$PATH", "A", "$PATH $HOME"] },
    { type: "ENV", args: ["PATH", ["/more:$", "{PATH}:$PATHS"].join("")] },
    { type: "ENV", args: ["B", "1"] },
  ]);
  const usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  assert.equal(surroundings.envs["A"], "$PATH $HOME");
  assert.equal(surroundings.envs["PATH"], `/more:/opt/bin:${usual}:$PATHS`);
  const commands = steps.map(({ action }) => (action?.type === "run" ? action.command : undefined));
  assert.ok(commands[0]?.includes(`/opt/bin:${usual}`) && commands[0].includes("/etc/profile.d/"));
  assert.ok(commands[1]?.includes("/more:/opt/bin:"));
  assert.equal(commands[2], undefined);
});

test("a build goes on where the template that it begins with has ended", () => {
  const start = { user: "app", workdir: "/srv", envs: {} };
  const { steps } = planSteps([{ type: "RUN", args: ["x"] }], start);
  assert.deepEqual(steps[0]?.action, { type: "run", command: "x", surroundings: start });
});
