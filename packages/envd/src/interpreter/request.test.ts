import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import fc from "fast-check";
import { LANGUAGES, parseContext, parseExecute } from "./request.ts";

test("parseExecute() fills in what is absent or null", () => {
  const usual = { code: "1", contextId: undefined, language: "python", envs: {} };
  assert.deepEqual(parseExecute({ code: "1" }), usual);
  assert.deepEqual(
    parseExecute({ code: "1", context_id: null, language: null, env_vars: null, more: 1 }),
    usual,
  );
  assert.deepEqual(parseContext({}), { language: "python", cwd: undefined });
});

/** Bodies that are nearly right, and some that are anything. */
const body = fc.oneof(
  fc.jsonValue(),
  fc.record(
    {
      code: fc.oneof(fc.string(), fc.jsonValue()),
      context_id: fc.oneof(fc.string(), fc.jsonValue()),
      language: fc.oneof(fc.constantFrom(...LANGUAGES), fc.string(), fc.jsonValue()),
      env_vars: fc.oneof(fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.jsonValue())), fc.jsonValue()),
      cwd: fc.oneof(fc.string(), fc.jsonValue()),
    },
    { requiredKeys: [] },
  ),
);

test("any body is taken as what it says, or refused with a message; nothing of it gets past the checks", () => {
  fc.assert(
    fc.property(body, (value) => {
      for (const parse of [parseExecute, parseContext]) {
        try {
          const request = parse(value);
          assert.ok(LANGUAGES.includes(request.language));
          if (!("code" in request)) continue;
          assert.ok(!request.code.includes("\0"));
          for (const [name, text] of Object.entries(request.envs)) {
            assert.match(name, /^[A-Za-z_][A-Za-z0-9_]*$/);
            assert.ok(typeof text === "string" && !text.includes("\0"));
          }
        } catch (reason) {
          assert.ok(reason instanceof WrennError && reason.code === "invalid_argument", String(reason));
          assert.ok(reason.message.length < 1000);
        }
      }
    }),
    { numRuns: 1000 },
  );
});
