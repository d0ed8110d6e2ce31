// Requests to the code interpreter, right and wrong, with real kernels.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { InterpreterWorld } from "../testing/interpreter-world.ts";

describe("the code interpreter", () => {
  let world: InterpreterWorld;
  before(async () => {
    world = new InterpreterWorld();
    await world.interpreter.settled;
  });
  after(() => world?.[Symbol.asyncDispose]());

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
