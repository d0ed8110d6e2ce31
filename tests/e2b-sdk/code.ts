// E2B's unmodified code interpreter client on real sandboxes. The template is one without the large libraries; what these
// draw and show is tested in tests/code-interpreter.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Execution, Sandbox, TimeoutError } from "@e2b/code-interpreter";
import type { E2bPlatform } from "./platform.ts";

/** `minimal` with the shell that kernels are made of. */
const RECIPE = `
name: code-interpreter
packages: [bash, ca-certificates, coreutils, procps, python3, python3-ipython, sudo]
user: {name: user, sudo: passwordless}
code_interpreter: {preload: [json]}
`;

export function codeTests(platform: () => E2bPlatform): void {
  describe("E2B's code interpreter client", () => {
    let e2b: E2bPlatform;
    let sandbox: Sandbox;
    const create = () => Sandbox.create({ ...e2b.options, timeoutMs: 600_000, envs: { GREETING: "hello" } });
    before(async () => {
      e2b = platform();
      await assert.rejects(create(), /wrenn template build code-interpreter/);
      const { templates } = e2b.platform.client;
      await templates.build({ name: "code-interpreter", recipe: RECIPE });
      await templates.waitForBuild("code-interpreter");
      sandbox = await create();
    });
    after(() => sandbox?.kill());

    it("keeps state from one run to the next, and runs as the user in the user's directory", async () => {
      const first = await sandbox.runCode("x = 1\nx += 1\nx");
      assert.equal(first.text, "2");
      const second = await sandbox.runCode(
        "import os, getpass\n(x, os.getcwd(), getpass.getuser(), os.environ['GREETING'])",
      );
      assert.equal(second.text, "(2, '/home/user', 'user', 'hello')");
      assert.equal(second.executionCount, (first.executionCount ?? 0) + 1);
      await sandbox.files.write("seen.txt", "by both");
      assert.equal((await sandbox.runCode("open('seen.txt').read()")).text, "by both");
    });

    it("streams what is printed, and calls back", async () => {
      const seen: { line: string; at: number }[] = [];
      const results: unknown[] = [];
      const { logs } = await sandbox.runCode(
        "import sys, time\nfor i in range(3):\n    print(i)\n    time.sleep(0.5)\nprint('e', file=sys.stderr)\n'value'",
        {
          onStdout: ({ line }) => seen.push({ line, at: performance.now() }),
          onResult: ({ text }) => results.push(text),
        },
      );
      assert.equal(logs.stdout.join(""), "0\n1\n2\n");
      assert.equal(logs.stderr.join(""), "e\n");
      assert.deepEqual(results, ["value"]);
      const [first, last] = [seen[0], seen.at(-1)];
      assert.ok(first && last && last.at - first.at > 600, "as it comes");
    });

    it("tells errors with name, value and traceback", async () => {
      const errors: string[] = [];
      const { error } = await sandbox.runCode("def f():\n    return {}['key']\nf()", {
        onError: ({ name }) => errors.push(name),
      });
      assert.deepEqual([error?.name, error?.value, errors], ["KeyError", "'key'", ["KeyError"]]);
      assert.match(error?.traceback ?? "", /----> 2 +return \{\}\['key'\]/);
    });

    it("shows whatever Jupyter shows", async () => {
      const { results } = await sandbox.runCode(
        "from IPython.display import display, HTML, JSON, Latex, Markdown\ndisplay(HTML('<i>h</i>'), JSON({'k': 1}), Latex('$x$'), Markdown('*m*'))",
      );
      assert.deepEqual(
        results.map(({ html, json, latex, markdown }) =>
          [html, json, latex, markdown].find((each) => each !== undefined),
        ),
        ["<i>h</i>", { k: 1 }, "$x$", "*m*"],
      );
    });

    it("runs bash beside Python", async () => {
      const run = (code: string, envs = {}) => sandbox.runCode(code, { language: "bash", envs });
      await run("cd /usr; y=5");
      const { logs, error } = await run("echo $y $MORE $(pwd) $(whoami)", { MORE: "more" });
      assert.deepEqual([logs.stdout.join(""), error], ["5 more /usr user\n", undefined]);
      assert.equal((await run("exit 3")).error?.value, "3");
      await assert.rejects(sandbox.runCode("1", { language: "cobol", ...BRIEFLY }), /400/);
    });

    it("has variables for one run", async () => {
      const code = "import os; os.environ.get('ONCE')";
      assert.equal((await sandbox.runCode(code, { envs: { ONCE: "1" } })).text, "1");
      assert.equal((await sandbox.runCode(code)).text, undefined);
    });

    it("makes contexts apart from each other, lists, restarts and removes them", async () => {
      const began = performance.now();
      const context = await sandbox.createCodeContext({ cwd: "/tmp" });
      const took = performance.now() - began;
      assert.deepEqual([context.language, context.cwd], ["python", "/tmp"]);
      assert.equal((await sandbox.runCode("import os; z = 1; os.getcwd()", { context })).text, "/tmp");
      assert.equal((await sandbox.runCode("z")).error?.name, "NameError");
      assert.ok((await sandbox.listCodeContexts()).some(({ id }) => id === context.id));
      await sandbox.restartCodeContext(context);
      assert.equal((await sandbox.runCode("z", { context })).error?.name, "NameError");
      await sandbox.removeCodeContext(context);
      assert.ok(!(await sandbox.listCodeContexts()).some(({ id }) => id === context.id));
      await assert.rejects(sandbox.runCode("1", { context, ...BRIEFLY }), /not found/);
      assert.ok(took < 5_000, `made by forking, in ${ms(took)}`);
    });

    it("stops code that takes too long, and keeps what it had done", async () => {
      await assert.rejects(
        sandbox.runCode("import time\ndone = 'this far'\ntime.sleep(600)", { timeoutMs: 2_000 }),
        TimeoutError,
      );
      assert.equal((await sandbox.runCode("done")).text, "this far");
    });

    it("goes on after a pause with its state; clones differ in chance", async () => {
      const draw = "import random\n[random.random(), random.random()]";
      const bash = { language: "bash" };
      await sandbox.runCode("x = 'kept'; import random; random.seed(1)");
      await sandbox.runCode("RANDOM=1", bash);
      const snapshot = await sandbox.createSnapshot();
      const clones = await Promise.all(
        [1, 2].map(() => Sandbox.create(snapshot.snapshotId, { ...e2b.options, timeoutMs: 600_000 })),
      );
      const drawn: Execution[] = [];
      for (const clone of clones) {
        assert.equal((await clone.runCode("x")).text, "kept");
        drawn.push(await clone.runCode(draw), await clone.runCode("echo $RANDOM $RANDOM $RANDOM", bash));
      }
      const texts = drawn.map(({ text, logs }) => text ?? logs.stdout.join(""));
      assert.equal(new Set(texts).size, 4, texts.join(" | "));
      await Promise.all(clones.map((clone) => clone.kill()));
      await sandbox.pause();
      const again = await Sandbox.connect(sandbox.sandboxId, { ...e2b.options, timeoutMs: 600_000 });
      assert.equal((await again.runCode("x")).text, "kept");
      const [fresh, other] = await Promise.all([create(), create()]);
      const chances = [await fresh.runCode(draw), await other.runCode(draw)];
      assert.notEqual(chances[0]?.text, chances[1]?.text);
      await Promise.all([fresh, other].map((each) => each.kill()));
      assert.equal(await Sandbox.deleteSnapshot(snapshot.snapshotId, e2b.options), true);
    });
  });
}

/** The client keeps the timer of a request that was refused, and with it this process. */
const BRIEFLY = { requestTimeoutMs: 10_000 };

const ms = (time: number) => `${time.toFixed(0)} ms`;
