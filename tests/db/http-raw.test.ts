// Requests as no client library sends them: the answer is JSON all the same, and the server goes on.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { type TestService, testService } from "./service.ts";

let service: TestService;
before(async () => {
  service = await testService();
});
after(() => service[Symbol.asyncDispose]());

interface RawAnswer {
  status: number;
  body: { error: { code: string } };
}

/** Sends bytes, and reads until the server closes the connection. */
async function send(...lines: string[]): Promise<RawAnswer> {
  const socket = connect(Number(new URL(service.url).port), "127.0.0.1");
  socket.write(lines.join("\r\n"));
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  const [head = "", body = ""] = text.split("\r\n\r\n");
  assert.match(head, /^content-type: application\/json/im, head);
  return { status: Number(head.split(" ")[1]), body: JSON.parse(body) };
}

const closing = "connection: close";

describe("requests that are not proper HTTP", () => {
  for (const [what, lines, status, code] of [
    ["no HTTP at all", ["hello", "", ""], 400, "invalid_argument"],
    ["no Host", ["GET /health HTTP/1.1", closing, "", ""], 400, "invalid_argument"],
    [
      "a head that is too large",
      ["GET /health HTTP/1.1", `x: ${"y".repeat(20_000)}`, "", ""],
      431,
      "too_large",
    ],
    [
      "two lengths",
      ["POST /v1/sandboxes HTTP/1.1", "host: x", "content-length: 1", "content-length: 2", "", "x"],
      400,
      "invalid_argument",
    ],
    [
      "a length that is no number",
      ["POST /v1/sandboxes HTTP/1.1", "host: x", "content-length: -1", "", ""],
      400,
      "invalid_argument",
    ],
    [
      "length and chunks",
      [
        "POST /v1/sandboxes HTTP/1.1",
        "host: x",
        "content-length: 3",
        "transfer-encoding: chunked",
        "",
        "0\r\n\r\n",
      ],
      400,
      "invalid_argument",
    ],
    ["an unknown method", ["BREW / HTTP/1.1", "host: x", "", ""], 400, "invalid_argument"],
    [
      "a path that cannot be decoded",
      ["GET /v1/sandboxes/%zz HTTP/1.1", "host: x", closing, "", ""],
      400,
      "invalid_argument",
    ],
  ] as const) {
    test(`${what}: ${status}`, async () => {
      const answer = await send(...lines);
      assert.deepEqual([answer.status, answer.body.error.code], [status, code]);
    });
  }

  test("an unknown expectation is no reason to answer without a body", async () => {
    const answer = await send("GET /v1/sandboxes HTTP/1.1", "host: x", "expect: coffee", closing, "", "");
    assert.equal(answer.status, 401);
  });

  test("a body without a type is a 415, behind the key", async () => {
    const post = (...headers: string[]) =>
      send("POST /v1/sandboxes HTTP/1.1", "host: x", closing, "content-length: 2", ...headers, "", "{}");
    assert.equal((await post()).status, 401);
    assert.equal((await post(`x-api-key: ${service.key}`)).status, 415);
    assert.equal(
      (await post(`x-api-key: ${service.key}`, "content-type: application/json; charset=latin1")).status,
      415,
    );
    assert.equal((await post(`x-api-key: ${service.key}`, "content-type: /")).status, 415);
  });

  test("a body that stops in the middle ends its connection, and nothing else", async () => {
    const socket = connect(Number(new URL(service.url).port), "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write("POST /v1/sandboxes HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{");
    for await (const _ of socket) assert.fail("there is nothing to answer");
    assert.equal((await service.call("GET", "/health")).status, 200);
  });
});
