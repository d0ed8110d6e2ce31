// The code interpreter with real kernels: what its clients see of Python and bash.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { InterpreterWorld } from "../testing/interpreter-world.ts";

describe("the code interpreter", () => {
  let world: InterpreterWorld;
  before(async () => {
    world = new InterpreterWorld();
    await world.interpreter.settled;
  });
  after(() => world?.[Symbol.asyncDispose]());

  describe("Python", () => {
    it("keeps its state from one execution to the next, and counts them", async () => {
      const first = await world.run("x = 20\nprint('hi')\nx + 1");
      assert.deepEqual(first.types, ["number_of_executions", "stdout", "result", "end_of_execution"]);
      assert.deepEqual([first.stdout, first.text], ["hi\n", "21"]);
      const second = await world.run("x * 2");
      assert.equal(second.text, "40");
      assert.equal(Number(second.count), Number(first.count) + 1);
    });

    it("shows texts without quotes, and values in all their forms", async () => {
      assert.equal((await world.run("'a text'")).text, "a text");
      const { results } = await world.run(`
from IPython.display import display, HTML, JSON, Latex, Markdown, Javascript, SVG
display(HTML("<b>1</b>"), Markdown("*m*"), Latex("$x$"), JSON({"a": [1, float("nan")]}), Javascript("1"))
class Own:
    def _repr_mimebundle_(self, include, exclude): return {"text/plain": "own", "application/x-own": {"k": b"ab"}}
Own()`);
      const [html, markdown, latex, json, javascript, own] = results;
      assert.equal(html?.["html"], "<b>1</b>");
      assert.equal(html?.["is_main_result"], false);
      assert.equal(markdown?.["markdown"], "*m*");
      assert.equal(latex?.["latex"], "$x$");
      assert.deepEqual(json?.["json"], { a: [1, null] });
      assert.equal(javascript?.["javascript"], "1");
      assert.deepEqual(own, {
        type: "result",
        is_main_result: true,
        text: "own",
        "application/x-own": { k: "YWI=" },
      });
    });

    it("tells errors with their traceback, and goes on", async () => {
      const { error } = await world.run("def inner():\n    return 1 / 0\ninner()");
      assert.deepEqual([error?.["name"], error?.["value"]], ["ZeroDivisionError", "division by zero"]);
      assert.match(String(error?.["traceback"]), /line 2, in inner\(\)\n.*\n----> 2 +return 1 \/ 0/);
      assert.equal((await world.run("def f(:")).error?.["name"], "SyntaxError");
      assert.equal((await world.run("exit()")).error?.["name"], "SystemExit");
      assert.equal((await world.run("input()")).error?.["name"], "EOFError");
      assert.equal((await world.run("x")).text, "20", "its state is as it was");
    });

    it("streams output while it runs, in order, also that of programs", async () => {
      const began = performance.now();
      const times: [string, number][] = [];
      for await (const { type, text } of world.lines(
        "import os, sys, time\nfor i in range(3):\n  print(i)\n  time.sleep(0.2)\nos.system('echo shell')\nprint('end')",
      ))
        if (type === "stdout") times.push([String(text), performance.now() - began]);
      assert.equal(times.map(([text]) => text).join(""), "0\n1\n2\nshell\nend\n");
      const [first = 0, last = 0] = [times[0]?.[1], times.at(-1)?.[1]];
      assert.ok(last - first > 350, `${first} to ${last} ms`);
      const { stderr, stdout } = await world.run("print('e', file=sys.stderr)\n!echo bang");
      assert.deepEqual([stderr, stdout], ["e\n", "bang\n"]);
    });

    it("passes every character through, in lines of ASCII", async () => {
      const { stdout, text } = await world.run("print('\\u2028é\\u0085😀' * 20000)\n'\\ud83d'");
      assert.equal(stdout, `${"\u2028é\u0085😀".repeat(20_000)}\n`);
      assert.equal(text, "\\ud83d");
    });

    it("holds output up for a reader who is slow, and loses none", async () => {
      let size = 0;
      for await (const { type, text } of world.lines("print('x' * 3_000_000)")) {
        if (type === "stdout") size += String(text).length;
        if (size < 200_000) await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assert.equal(size, 3_000_001);
    });

    it("leaves a result out that is too large, and says so", async () => {
      const { results, stderr } = await world.run("'y' * 17_000_000");
      assert.deepEqual(results, []);
      assert.match(stderr, /a result of 170\d+ bytes was left out/);
    });

    it("awaits at the top level", async () => {
      assert.equal((await world.run("import asyncio\nawait asyncio.sleep(0.01)\n'awaited'")).text, "awaited");
    });

    it("has variables for one execution, below them the guest's", async () => {
      world.state.envs = { GUEST: "g", BOTH: "guest" };
      world.interpreter.renew();
      const names = "import os\n[os.environ.get(name) for name in ('GUEST', 'BOTH', 'ONE')]";
      const { text } = await world.run(names, { env_vars: { ONE: "1", BOTH: "request" } });
      assert.equal(text, "['g', 'request', '1']");
      assert.equal((await world.run(names)).text, "['g', 'guest', None]");
      world.state.envs = {};
      world.interpreter.renew();
      assert.equal((await world.run(names)).text, "[None, None, None]");
    });

    it("keeps what code has made of the guest's variables when it is another copy", async () => {
      const look = "import os\n[os.environ.get(name) for name in ('LEFT', 'CHANGED', 'REMOVED')]";
      const renew = (LEFT: string) => {
        world.state.envs = { LEFT, CHANGED: LEFT, REMOVED: LEFT };
        world.interpreter.renew();
      };
      renew("1");
      await world.run("import os; os.environ['CHANGED'] = 'own'; del os.environ['REMOVED']");
      for (const value of ["2", "3"]) {
        renew(value);
        assert.equal((await world.run(look)).text, `['${value}', 'own', None]`);
      }
      world.state.envs = {};
      world.interpreter.renew();
      assert.equal((await world.run(look)).text, "[None, 'own', None]");
    });

    it("is seeded anew in every copy of a guest, also in the middle of an execution", async () => {
      await world.run("import random; random.seed(1)");
      world.interpreter.renew();
      const one = (await world.run("random.random()")).text;
      await world.run("random.seed(1)");
      world.interpreter.renew();
      const two = (await world.run("random.random()")).text;
      assert.notEqual(one, two);
      const drawn: string[] = [];
      for await (const { type, text } of world.lines(
        "import time\nfor i in range(2):\n  random.seed(1)\n  print('seeded')\n  time.sleep(0.5)\n  print(random.random())",
      )) {
        if (type !== "stdout") continue;
        if (String(text) === "seeded\n") world.interpreter.renew();
        else drawn.push(String(text));
      }
      assert.equal(drawn.length, 2);
      assert.notEqual(drawn[0], drawn[1]);
    });
  });

  describe("bash", () => {
    const bash = (code: string, env_vars = {}) => world.run(code, { language: "bash", env_vars });

    it("keeps variables, functions and the directory", async () => {
      assert.equal((await bash("x=5; f() { echo f $1; }; cd /usr; echo err >&2")).stderr, "err\n");
      const { stdout, error, types } = await bash("f $x; pwd\ncat <<END\nhere $x\nEND");
      assert.equal(stdout, "f 5\n/usr\nhere 5\n");
      assert.equal(error, undefined);
      assert.equal(types.at(-1), "end_of_execution");
    });

    it("tells a status other than 0, and survives code that is none", async () => {
      const { error } = await bash("(exit 7)");
      assert.deepEqual([error?.["name"], error?.["value"]], ["ExitStatus", "7"]);
      assert.equal((await bash("echo 'open")).error?.["value"], "2");
      const ended = await bash("exit 3");
      assert.equal(ended.error?.["value"], "3");
      assert.match(ended.stderr, /its variables and directory are gone/);
      assert.equal((await bash("echo [$x]")).stdout, "[]\n");
    });

    it("has variables for one execution, reads nothing, and does not show its own channels", async () => {
      await bash("export KEPT=kept");
      const { stdout } = await bash("echo $ONE-$KEPT; cat; ls /proc/self/fd | wc -l", {
        ONE: "it's",
        KEPT: "other",
      });
      assert.equal(stdout, "it's-other\n4\n");
      assert.equal((await bash("echo $ONE-$KEPT")).stdout, "-kept\n");
    });

    it("keeps what code has made of the guest's variables when it is another copy", async () => {
      const look = 'echo "$LEFT,$CHANGED,$REMOVED"; env | grep ^LEFT=';
      const renew = (LEFT: string) => {
        world.state.envs = { LEFT, CHANGED: LEFT, REMOVED: LEFT };
        world.interpreter.renew();
      };
      for (const value of ["it's", "$(exit 1)"]) {
        renew(value);
        if (value === "it's") await bash("CHANGED=own; unset REMOVED");
        assert.equal((await bash(look)).stdout, `${value},own,\nLEFT=${value}\n`);
      }
      world.state.envs = {};
      world.interpreter.renew();
    });

    it("leaves variables to its programs that have no name in the shell", async () => {
      world.state.envs = { "it's": "1", "x; echo": "2", PLAIN: "3" };
      world.interpreter.renew();
      assert.equal((await bash("echo $PLAIN")).stdout, "3\n");
      await bash("exit");
      assert.equal(
        (await bash('env | grep -E "^(it\'s|x; echo|PLAIN)=" | sort')).stdout.split("\n").length,
        4,
      );
      world.state.envs = {};
      world.interpreter.renew();
    });

    it("has no descriptors left of a shell that has ended", async () => {
      const count = async () => (await bash("ls /proc/$PPID/fd | wc -l")).stdout;
      const before = await count();
      await bash("exit");
      assert.equal(await count(), before);
    });

    it("can be interrupted when code has put another program in its place", async () => {
      const context_id = await world.context({ language: "bash" });
      const running = world.lines("echo; exec sleep 1000", { context_id });
      for await (const { type } of running) if (type === "stdout") break;
      assert.equal((await world.run("echo new", { context_id })).stdout, "new\n");
      await world.request("DELETE", `/contexts/${context_id}`);
    });

    it("is seeded anew in every copy of a guest", async () => {
      await bash("RANDOM=1");
      world.interpreter.renew();
      const one = (await bash("echo $RANDOM $RANDOM $RANDOM; RANDOM=1")).stdout;
      world.interpreter.renew();
      assert.notEqual((await bash("echo $RANDOM $RANDOM $RANDOM")).stdout, one);
    });
  });
});
