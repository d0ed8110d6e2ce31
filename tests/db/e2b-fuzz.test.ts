// The E2B surface against requests made from its document, and against others: only documented answers, none of them a 500.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { e2bDocument } from "@wrenn/api";
import fc from "fast-check";
import { stringify } from "yaml";
import { type Operation, readDocument, violation } from "../fuzz/document.ts";
import { validValue } from "../fuzz/schema-arbitrary.ts";
import { type TestService, testService } from "./service.ts";

const { operations } = readDocument(stringify(e2bDocument({ version: "" })));
const RUNS = Number(process.env["WRENN_FUZZ_RUNS"] ?? 400) / 20;

describe("the E2B surface against anything", () => {
  let service: TestService;
  let id: string;
  before(async () => {
    service = await testService({ WRENN_MAX_RUNNING: "100000" });
  });
  beforeEach(async () => {
    id = await service.sandbox();
  });
  after(() => service[Symbol.asyncDispose]());

  for (const operation of operations) {
    it(`${operation.id} answers as it is documented`, async () => {
      await fc.assert(
        fc.asyncProperty(requestTo(operation), async ({ params, query, body }) => {
          const path = operation.path.replaceAll(/\{([^}]+)\}/g, (_, name: string) => {
            const value = params[name] ?? "x";
            return encodeURIComponent(name === "id" && value.startsWith("s") ? id : value);
          });
          const response = await fetch(`${service.url}${path}${query}`, {
            method: operation.method,
            headers: {
              "x-api-key": service.key,
              ...(body !== undefined && { "content-type": "application/json" }),
            },
            ...(body !== undefined && operation.method !== "GET" && { body }),
          });
          const { status } = response;
          const said = await response.text();
          const documented = operation.answers.get(status);
          // A path parameter may make it another route's, which has other answers, or nobody's; a head may be too long.
          const tooLong = status === 431 && path.length + query.length > 8_000;
          assert.ok(documented || status === 404 || tooLong, `${status} ${said}`);
          assert.ok(status !== 500 && status !== 503, `${status} ${said}`);
          if (
            documented?.schema &&
            documented.contentType === "application/json" &&
            said.startsWith('{"code"')
          ) {
            const answer = JSON.parse(said) as { code: number };
            assert.equal(answer.code, status);
            assert.equal(violation(documented.schema, answer), undefined);
          }
        }),
        { numRuns: RUNS },
      );
      assert.equal((await service.call("GET", "/health", { key: null })).status, 200);
    });
  }
});

interface Request {
  params: Record<string, string>;
  query: string;
  body: string | undefined;
}

function requestTo({ parameters, body }: Operation): fc.Arbitrary<Request> {
  const word = fc.oneof(
    fc.constant("sandbox"),
    fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/),
    fc.string({ minLength: 1 }),
  );
  const names = parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name);
  const params = fc.record(Object.fromEntries(names.map((name) => [name, word])));
  const pairs = parameters
    .filter((parameter) => parameter.in === "query")
    .map(({ name, schema }) =>
      fc.oneof(validValue(schema), fc.string()).map((value) => [name, String(value)]),
    );
  const query = fc
    .oneof(fc.constant([]), pairs.length > 0 ? fc.tuple(...pairs) : fc.constant([]))
    .map((chosen) => (chosen.length > 0 ? `?${new URLSearchParams(chosen as [string, string][])}` : ""));
  const bodies = fc.oneof(
    fc.constant(undefined),
    ...(body ? [validValue(body.schema).map((value) => JSON.stringify(value))] : []),
    fc.json(),
    fc.string({ minLength: 1 }),
  );
  return fc.record({ params, query, body: bodies });
}
