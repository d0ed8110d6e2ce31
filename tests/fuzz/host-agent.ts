// The host agent's socket under messages, envelopes and paths that no control plane of ours would send.
import assert from "node:assert/strict";
import { request as httpRequest, type IncomingMessage } from "node:http";
import type { DescMethod } from "@bufbuild/protobuf";
import { ERROR_CODES, isErrorCode } from "@wrenn/core";
import { HostAgentService } from "@wrenn/rpc/hostagent";
import fc from "fast-check";
import { DICTIONARY } from "./dictionary.ts";
import type { Fixtures } from "./fixtures.ts";
import { rpcMessage, type Words } from "./rpc-message.ts";
import { ANSWER_MS } from "./send.ts";

export interface AgentRequest {
  method: string;
  path: string;
  headers: Readonly<Record<string, string>>;
  body: Buffer;
}

interface AgentAnswer {
  status: number;
  contentType: string;
  /** The platform's own code, where the error is not Connect's. */
  wrennCode: string;
  body: Buffer;
}

/** HTTP status of each Connect code (https://connectrpc.com/docs/protocol#error-codes). */
const CONNECT_STATUS: Readonly<Record<string, number>> = {
  canceled: 499,
  unknown: 500,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 400,
  aborted: 409,
  out_of_range: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  data_loss: 500,
  unauthenticated: 401,
};

/** Codes of ours that would mean that something is broken, or that nobody has thought of the case. */
const BROKEN = ["internal", "unavailable", "guest_unreachable", "deadline_exceeded"];

/** What Node and Connect say without a body to requests that are no calls: no such method, no codec of ours, too long. */
const NO_CALL = [404, 405, 415, 431, 505];

/** Calls that would end what the run lives on get ids and names of nothing. */
const DESTRUCTIVE = [
  "DestroySandbox",
  "PauseSandbox",
  "ForkSandbox",
  "RestoreSandbox",
  "CreateSnapshot",
  "SetTimeout",
];

/** Any request to the agent: a call, a broken call, a raw file, or a path that is none. */
export function agentRequest(fixtures: Fixtures): fc.Arbitrary<AgentRequest> {
  return fc.oneof(
    {
      arbitrary: fc.constantFrom(...HostAgentService.methods).chain((method) => call(method, fixtures)),
      weight: 8,
    },
    { arbitrary: brokenCall(), weight: 2 },
    { arbitrary: rawFile(fixtures), weight: 2 },
    { arbitrary: oddTarget(), weight: 1 },
  );
}

/** Sends it and throws when the answer is not one that such a request may get. */
export async function tryAgent(socketPath: string, request: AgentRequest): Promise<void> {
  const answer = await ask(socketPath, request);
  try {
    checkAgentAnswer(request, answer);
  } catch (cause) {
    const { method, path, headers, body } = request;
    throw new Error(
      `${(cause as Error).message}\n  ${method} ${path} ${JSON.stringify(headers)}\n  ` +
        `${body.toString("latin1").slice(0, 600)}\n  answer: ${answer.status} ${answer.body.toString().slice(0, 600)}`,
      { cause },
    );
  }
}

function checkAgentAnswer({ path }: AgentRequest, answer: AgentAnswer): void {
  const { status, contentType, wrennCode, body } = answer;
  if (status === 200 && contentType.startsWith("application/connect+")) checkEnvelopes(body);
  if (status === 200 || status === 204) return;
  if (NO_CALL.includes(status) && body.length === 0) return;
  assert.match(contentType, /^application\/json/);
  const { code } = JSON.parse(body.toString()) as { code: string };
  if (path.startsWith("/raw/")) {
    assert.ok(isErrorCode(code) && ERROR_CODES[code].http === status, `${code} is not a ${status}`);
    assert.ok(status < 500, `${status} on a healthy host`);
  } else {
    assert.equal(CONNECT_STATUS[code], status, `${code} is not a ${status}`);
    assert.ok(!BROKEN.includes(wrennCode), `${wrennCode} on a healthy host`);
  }
}

interface StreamEnd {
  error?: { code: string };
  metadata?: Record<string, string[]>;
}

/** A stream ends with an envelope of its own, which holds the error if there is one; or it was left before its end. */
function checkEnvelopes(body: Buffer): void {
  for (let at = 0; at + 5 <= body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    if (end > body.length) return;
    if (body.readUInt8(at) & 2) {
      const { error, metadata } = JSON.parse(body.subarray(at + 5, end).toString()) as StreamEnd;
      assert.ok(!error || error.code in CONNECT_STATUS, `${error?.code} is no code of Connect`);
      const [wrennCode = ""] = metadata?.["wrenn-code"] ?? [];
      assert.ok(!BROKEN.includes(wrennCode), `${wrennCode} on a healthy host`);
      assert.equal(end, body.length, "something after the end of a stream");
    }
    at = end;
  }
}

function call(method: DescMethod, fixtures: Fixtures): fc.Arbitrary<AgentRequest> {
  const { running, stopped } = fixtures;
  const nowhere = [
    stopped,
    "sb-0000000000000000",
    "",
    "sb-UPPER00000000000",
    "../../etc",
    "sb-aaaaaaaaaaaaaaa\n",
  ];
  const words: Words = {
    ...DICTIONARY,
    sandboxId: DESTRUCTIVE.includes(method.name) ? nowhere : [running, running, running, ...nowhere],
    forkIds: nowhere,
    snapshot: ["absent", "../minimal", "", "a\u0000"],
    template: ["absent", "../minimal", "", "a\u0000"],
    name: ["absent", "../minimal", "", "n".repeat(65)],
    recipe: ["", "name: x\nunknown: 1\n", "- [", "packages: [no-such]\nunknown: 1\n", "&a [*a]"],
    pid: [0, 1, 2 ** 32 - 1, 4_000_000],
    args: [["-c", "exit 3"], []],
  };
  const message = rpcMessage(method.input, words).map((value) => Buffer.from(JSON.stringify(value)));
  return message.map((body) => asCall(method, method.methodKind === "unary" ? body : envelope(body)));
}

function asCall(method: DescMethod, body: Buffer): AgentRequest {
  const codec = method.methodKind === "unary" ? "application/json" : "application/connect+json";
  return { method: "POST", path: pathOf(method), headers: { "content-type": codec }, body };
}

/** Bodies, codecs and envelopes that lie about what is in them. */
function brokenCall(): fc.Arbitrary<AgentRequest> {
  const depth = 100_000;
  const texts = [
    "",
    "{",
    "null",
    "[]",
    '{"sandboxId":1e999}',
    '{"unknown":1}',
    '{"__proto__":{}}',
    `{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`,
  ];
  const bodies = fc.oneof(
    fc.constantFrom(...texts).map((text) => Buffer.from(text)),
    fc.constantFrom(...texts).map((text) => envelope(Buffer.from(text))),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.uint8Array().map((bytes) => envelope(Buffer.from(bytes), 1)),
    fc.constantFrom(envelope(Buffer.from("{}"), 0, 2 ** 32 - 1), envelope(Buffer.from("{}"), 255)),
  );
  const headers = fc.record(
    {
      "content-type": fc.constantFrom(
        "application/json",
        "application/proto",
        "application/connect+json",
        "application/connect+proto",
        "application/grpc",
        "text/plain",
      ),
      "connect-timeout-ms": fc.constantFrom("0", "-1", "x", "99999999999", "9999999999"),
      "content-encoding": fc.constantFrom("gzip", "br", "nonsense"),
      "connect-protocol-version": fc.constantFrom("1", "2"),
      "x-request-id": fc.constantFrom("a", "b\u00ff", "c".repeat(5000)),
    },
    { requiredKeys: ["content-type"] },
  );
  return fc.record({
    method: fc.constantFrom("POST", "POST", "POST", "GET", "PUT"),
    path: fc.constantFrom(
      ...HostAgentService.methods.filter(({ name }) => !STARTS.includes(name)).map(pathOf),
    ),
    headers: headers as fc.Arbitrary<Record<string, string>>,
    body: bodies,
  });
}

/** An empty message to these is a request for something real. */
const STARTS = ["CreateSandbox", "BuildTemplate"];

function rawFile({ running, stopped }: Fixtures): fc.Arbitrary<AgentRequest> {
  const paths = fc.oneof(fc.constantFrom(...(DICTIONARY["path"] ?? [])), fc.string({ unit: "binary" }));
  const queries = fc.oneof(
    paths.map((path) => `?${new URLSearchParams({ path })}`),
    fc.constantFrom("", "?", "?path", "?path=%ff", "?path=%00", "?path=/a&path=/b", "?path=relative"),
  );
  const ids = fc.constantFrom(
    running,
    running,
    stopped,
    "sb-0000000000000000",
    "..",
    "%00",
    "%2e%2e",
    "SB",
    "%zz",
  );
  return fc.record({
    method: fc.constantFrom("GET", "PUT", "PUT", "POST", "DELETE"),
    path: fc.tuple(ids, queries).map(([id, query]) => `/raw/v1/sandboxes/${id}/files${query}`),
    headers: fc.constantFrom({}, { "x-request-id": "r" }),
    body: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  });
}

function oddTarget(): fc.Arbitrary<AgentRequest> {
  const targets = [
    "/",
    "//",
    "///",
    "//[",
    "//a:b",
    "/%",
    "*",
    "http://[",
    "http://x:99999/",
    "/raw/v1/../",
    "/?%ff",
    "/\\",
  ];
  return fc.record({
    method: fc.constantFrom("GET", "POST", "PUT", "OPTIONS", "DELETE"),
    path: fc.constantFrom(...targets),
    headers: fc.constantFrom<Record<string, string>>({}, { "content-type": "application/json" }),
    body: fc.constant(Buffer.alloc(0)),
  });
}

function ask(socketPath: string, { method, path, headers, body }: AgentRequest): Promise<AgentAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<AgentAnswer>();
  const length = { "content-length": body.length };
  const outgoing = httpRequest({
    agent: false,
    socketPath,
    method,
    path,
    headers: { ...headers, ...length },
  });
  let answered = false;
  const timer = setTimeout(
    () => reject(new Error(`no answer within ${ANSWER_MS} ms to ${method} ${path}`)),
    ANSWER_MS,
  );
  outgoing.on("response", (incoming) => {
    answered = true;
    collect(incoming).then(resolve, reject);
  });
  outgoing.on("error", (reason) => {
    if (!answered) reject(new Error(`${method} ${path}: ${reason.message}`, { cause: reason }));
  });
  outgoing.end(body);
  return promise.finally(() => {
    clearTimeout(timer);
    outgoing.destroy();
  });
}

/** The whole body; of a stream as much as shows that it goes on. */
async function collect(incoming: IncomingMessage): Promise<AgentAnswer> {
  const contentType = incoming.headers["content-type"] ?? "";
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    // A command that was started runs until we leave.
    if (contentType.startsWith("application/connect+") && ((chunk[0] ?? 0) & 2) === 0) break;
  }
  const wrennCode = String(incoming.headers["wrenn-code"] ?? "");
  return { status: incoming.statusCode ?? 0, contentType, wrennCode, body: Buffer.concat(chunks) };
}

function pathOf(method: DescMethod): string {
  return `/${HostAgentService.typeName}/${method.name}`;
}

/** A message of a stream: flags, length, content. */
function envelope(content: Buffer, flags = 0, length = content.length): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, content]);
}
