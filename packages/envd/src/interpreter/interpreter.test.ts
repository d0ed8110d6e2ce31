// The code interpreter with real kernels: what its clients see.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { WrennError } from "@wrenn/core";
import fc from "fast-check";
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

  describe("contexts", () => {
    it("are apart from each other, begin in their directory, and are listed until they are removed", async () => {
      const context_id = await world.context({ cwd: "/usr" });
      await world.run("apart = 1", { context_id });
      const { text } = await world.run("import os; (os.getcwd(), apart)", { context_id });
      assert.equal(text, "('/usr', 1)");
      assert.equal((await world.run("apart")).error?.["name"], "NameError");
      const list = async () =>
        ((await (await world.request("GET", "/contexts")).json()) as { id: string }[]).map(({ id }) => id);
      assert.ok((await list()).includes(context_id));
      assert.equal((await world.request("DELETE", `/contexts/${context_id}`)).status, 204);
      assert.ok(!(await list()).includes(context_id));
      assert.equal((await world.request("DELETE", `/contexts/${context_id}`)).status, 404);
      const gone = await world.request("POST", "/execute", { code: "1", context_id });
      assert.deepEqual([gone.status, ((await gone.json()) as { code: number }).code], [404, 404]);
    });

    it("say what they are", async () => {
      const response = await world.request("POST", "/contexts", { language: "bash", cwd: "/tmp" });
      const { id, ...rest } = (await response.json()) as { id: string };
      assert.deepEqual(rest, { language: "bash", cwd: "/tmp" });
      assert.equal((await world.run("pwd", { context_id: id })).stdout, "/tmp\n");
      await world.request("DELETE", `/contexts/${id}`);
    });

    it("lose their state when they are restarted, whatever they are at", async () => {
      const context_id = await world.context();
      await world.run("lost = 1", { context_id });
      const running = await world.start("import subprocess; subprocess.run(['sleep', '1000'])", {
        context_id,
      });
      assert.equal((await world.request("POST", `/contexts/${context_id}/restart`)).status, 204);
      assert.equal((await running.outcome).error?.["name"], "KernelEnded");
      assert.equal((await running.outcome).types.at(-1), "end_of_execution");
      assert.equal((await world.run("lost", { context_id })).error?.["name"], "NameError");
    });

    it("that are removed while they are restarted get no new kernel", async () => {
      const path = `/contexts/${await world.context()}`;
      const both = [world.request("POST", `${path}/restart`), world.request("DELETE", path)];
      assert.deepEqual(
        (await Promise.all(both)).map(({ status }) => status),
        [404, 204],
      );
    });

    it("get a new kernel when theirs ends by itself", async () => {
      const context_id = await world.context();
      const { error } = await world.run("import os; os._exit(1)", { context_id });
      assert.equal(error?.["name"], "KernelEnded");
      assert.equal((await world.run("1 + 1", { context_id })).text, "2");
    });

    it("run one execution at a time, in order", async () => {
      const context_id = await world.context();
      const codes = [
        "import time; time.sleep(0.3); seen = ['a']",
        "seen.append('b')",
        "seen.append('c'); seen",
      ];
      const all = await Promise.all(codes.map((code) => world.run(code, { context_id })));
      assert.equal(all.at(-1)?.text, "['a', 'b', 'c']");
    });

    it("have bounds", async () => {
      await using small = new InterpreterWorld();
      const sleeping = small.lines("import time; time.sleep(1000)");
      await sleeping.next();
      const waiting = await Promise.all(
        Array.from({ length: 64 }, () => small.request("POST", "/execute", { code: "1" })),
      );
      assert.ok(waiting.every(({ status }) => status === 200));
      const refused = await small.request("POST", "/execute", { code: "1" });
      assert.equal(refused.status, 429);
      const ids = [];
      for (let i = 0; i < 31; i++) ids.push(await small.context());
      assert.equal((await small.request("POST", "/contexts", {})).status, 429);
      await small.request("DELETE", `/contexts/${ids[0]}`);
      assert.equal((await small.request("POST", "/contexts", {})).status, 200);
      const [first] = (await (await small.request("GET", "/contexts")).json()) as { id: string }[];
      await small.request("DELETE", `/contexts/${first?.id}`);
      for (const each of waiting) assert.match(await each.text(), /ContextRemoved/);
      await sleeping.return(undefined);
    });
  });

  describe("a caller who goes away", () => {
    it("interrupts the code and what it started, and the state stays", async () => {
      for (const [language, code, probe, kept] of [
        ["python", "kept = 1\nimport subprocess\nprint()\nsubprocess.run(['sleep', '1234'])", "kept", "1"],
        ["python", "kept = 2\nprint()\nwhile True: pass", "kept", "2"],
        ["bash", "kept=3; echo; while true; do sleep 1234; done", "echo $kept", "3\n"],
      ] as const) {
        const reader = world.lines(code, { language });
        for await (const { type } of reader) if (type === "stdout") break;
        const { text, stdout } = await world.run(probe, { language });
        assert.equal(text ?? stdout, kept, code);
      }
    });

    it("takes code that waits out of the queue", async () => {
      const context_id = await world.context();
      const running = await world.start("import time; time.sleep(0.5)", { context_id });
      const response = await world.request("POST", "/execute", { code: "ran = True", context_id });
      await response.body?.cancel();
      await running.outcome;
      assert.equal((await world.run("ran", { context_id })).error?.["name"], "NameError");
    });

    it("because the guest is frozen does not end the code", async () => {
      const context_id = await world.context();
      const running = await world.start("import time; time.sleep(1); done = 'all of it'", { context_id });
      world.attachments.hold();
      world.attachments.detachAll(new WrennError("unavailable", "the sandbox is pausing"));
      world.attachments.release();
      const { error, types } = await running.outcome;
      assert.deepEqual([error?.["name"], error?.["value"]], ["Disconnected", "the sandbox is pausing"]);
      assert.equal(types.at(-1), "end_of_execution");
      assert.equal((await world.run("done", { context_id })).text, "all of it");
    });
  });

  describe("requests", () => {
    it("for code need the sandbox's token", async () => {
      for (const token of ["", "wrong"]) {
        const response = await world.request("POST", "/execute", { code: "1" }, { "x-access-token": token });
        assert.equal(response.status, 401);
      }
    });

    it("that are wrong are refused with the field, and change nothing", async () => {
      const wrong: [string, string, unknown, number, string?][] = [
        ["POST", "/execute", "{", 400],
        ["POST", "/execute", [], 400],
        ["POST", "/execute", {}, 400, "code"],
        ["POST", "/execute", { code: "a\0b" }, 400, "code"],
        ["POST", "/execute", { code: "1", language: "cobol" }, 400, "language"],
        ["POST", "/execute", { code: "1", language: "python", context_id: "x" }, 400, "language"],
        ["POST", "/execute", { code: "1", context_id: "x" }, 404, "context_id"],
        ["POST", "/execute", { code: "1", env_vars: { "A B": "c" } }, 400, "env_vars"],
        ["POST", "/execute", { code: "1", env_vars: { A: 1 } }, 400, "env_vars"],
        ["POST", "/execute", { code: "x".repeat(9_000_000) }, 413],
        ["POST", "/contexts", { cwd: "/nowhere" }, 400, "cwd"],
        ["POST", "/contexts", { cwd: "/etc/passwd" }, 400, "cwd"],
        ["POST", "/contexts", { language: "r" }, 400, "language"],
        ["POST", "/contexts/x/restart", undefined, 404, "context_id"],
        ["GET", "/", undefined, 404],
        ["GET", "/execute", undefined, 404],
        ["POST", "/contexts/x/y/z", undefined, 404],
      ];
      const before = await (await world.request("GET", "/contexts")).text();
      for (const [method, path, body, status, field] of wrong) {
        const response = await world.request(method, path, body);
        const answer = (await response.json()) as { field?: string; message: string };
        assert.deepEqual(
          [response.status, answer.field],
          [status, field],
          `${method} ${path}: ${answer.message}`,
        );
      }
      assert.equal(await (await world.request("GET", "/contexts")).text(), before);
    });

    it("of any kind get a documented answer, and leave the state alone", async () => {
      await world.run("untouched = 'yes'");
      const text = fc.oneof(fc.string(), fc.constantFrom("1", "undefined_name", "python", "bash", "/tmp"));
      const body = fc.oneof(
        fc.jsonValue().map((value) => JSON.stringify(value)),
        fc.string(),
        fc.constant(undefined),
      );
      const named = fc
        .record(
          { language: text, cwd: text, context_id: text, env_vars: fc.dictionary(text, text) },
          { requiredKeys: [] },
        )
        .map((value) => JSON.stringify(value));
      const id = fc.stringMatching(/^[\w.%-]{0,40}$/);
      const path = fc.oneof(
        fc.constantFrom("/execute", "/contexts", "/health", "/", "/contexts/", "/execute/x"),
        id.map((each) => `/contexts/${each}`),
        fc.tuple(id, id).map(([one, two]) => `/contexts/${one}/${two}`),
      );
      const method = fc.constantFrom("GET", "POST", "DELETE", "PUT", "PATCH");
      const made: string[] = [];
      await fc.assert(
        fc.asyncProperty(method, path, fc.oneof(body, named), async (verb, where, sent) => {
          const response = await world.request(verb, where, verb === "GET" ? undefined : sent);
          assert.ok([200, 204, 400, 404, 429].includes(response.status), `${response.status}`);
          const answer = await response.text();
          if (response.status !== 204) JSON.parse(answer.split("\n", 1)[0] ?? "");
          if (verb === "POST" && response.status === 200 && where === "/contexts") made.push(answer);
        }),
        { numRuns: 300 },
      );
      for (const answer of made) {
        const { id: context } = JSON.parse(answer) as { id: string };
        assert.equal((await world.request("DELETE", `/contexts/${context}`)).status, 204);
      }
      assert.equal((await world.run("untouched")).text, "yes");
    });

    it("may hold null for what is absent", async () => {
      const body = { code: "1", context_id: null, language: null, env_vars: null };
      const response = await world.request("POST", "/execute?source=x", body);
      assert.equal(response.status, 200);
      assert.match(await response.text(), /end_of_execution/);
      assert.equal(await (await world.request("GET", "/health")).json(), "OK");
    });
  });
});

describe("a code interpreter that cannot be started", () => {
  it("says why, and is tried again with the next code", async () => {
    await using world = new InterpreterWorld({ preload: ["no_such_module"] });
    await assert.rejects(world.interpreter.settled, /No module named 'no_such_module'/);
    const { error, types } = await world.run("1");
    assert.match(String(error?.["value"]), /No module named 'no_such_module'/);
    assert.equal(types.at(-1), "end_of_execution");
    assert.equal((await world.request("GET", "/health")).status, 500);
    assert.equal(world.programs.length, 2);
  });

  it("is well again once it could be started", async () => {
    await using world = new InterpreterWorld({ preload: ["late_module"] });
    await assert.rejects(world.interpreter.settled, /No module named 'late_module'/);
    const env = { PATH: "/usr/bin:/bin", HOME: world.home };
    const site = execFileSync("python3", ["-c", "import site; print(site.getusersitepackages())"], { env });
    const directory = site.toString().trim();
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "late_module.py"), "");
    assert.equal((await world.run("1 + 1")).text, "2");
    assert.equal((await world.request("GET", "/health")).status, 200);
  });
});

describe("a module that prints when it is loaded", () => {
  it("is loaded like any other", async () => {
    await using world = new InterpreterWorld({ preload: ["this"] });
    await world.interpreter.settled;
    assert.deepEqual((await world.run("import this\nprint(2)")).stdout, "2\n");
  });
});
