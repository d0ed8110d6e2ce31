// Contexts with real kernels: their state, their bounds, and callers who go away from them.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { WrennError } from "@wrenn/core";
import { InterpreterWorld } from "../testing/interpreter-world.ts";

describe("the code interpreter", () => {
  let world: InterpreterWorld;
  before(async () => {
    world = new InterpreterWorld();
    await world.interpreter.settled;
  });
  after(() => world?.[Symbol.asyncDispose]());

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
});
