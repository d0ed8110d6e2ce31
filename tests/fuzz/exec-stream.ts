// Sessions of the streaming exec with clients that say anything: right messages, wrong ones, and bytes that are no frames.
import assert from "node:assert/strict";
import type { Duplex } from "node:stream";
import fc from "fast-check";
import { WebSocket } from "ws";
import { DICTIONARY } from "./dictionary.ts";
import { type ApiDocument, type Schema, violation } from "./document.ts";
import { invalidValue, validValue } from "./schema-arbitrary.ts";
import { ANSWER_MS } from "./send.ts";

export interface Frame {
  data: Buffer;
  kind: "text" | "binary" | "raw";
}

interface ServerMessage {
  type: "start" | "stdout" | "stderr" | "exit" | "error";
  data?: string;
  code?: string;
}

/** How a session went: what the server said, and how it closed. */
interface Session {
  messages: ServerMessage[];
  code: number;
}

/** Close codes of the WebSocket protocol itself, for those who break it (RFC 6455, section 7.4.1). */
const PROTOCOL_CODES = [1002, 1006, 1007, 1009];

/** What a client sends, first to last. Most sessions begin as they should. */
export function frames(document: ApiDocument): fc.Arbitrary<Frame[]> {
  const schema = document.component("ExecClientMessage");
  const [start = {}, ...others] = schema.anyOf ?? [];
  const right = fc.oneof(...others.map(validValue)).map((value) => text(JSON.stringify(value)));
  const wrong = (invalidValue(schema) ?? fc.constant({})).map((value) => text(JSON.stringify(value)));
  const any = fc.oneof(
    { arbitrary: right, weight: 6 },
    { arbitrary: starts(start), weight: 1 },
    { arbitrary: wrong, weight: 2 },
    { arbitrary: fc.constantFrom(...NO_MESSAGES), weight: 2 },
    { arbitrary: fc.string({ unit: "binary" }).map(text), weight: 1 },
    {
      arbitrary: fc.uint8Array().map((bytes): Frame => ({ data: Buffer.from(bytes), kind: "binary" })),
      weight: 1,
    },
    { arbitrary: fc.uint8Array({ minLength: 2 }).map((bytes): Frame => raw(bytes)), weight: 1 },
  );
  const session = fc
    .tuple(starts(start), fc.array(any, { maxLength: 6 }))
    .map(([first, rest]) => [first, ...rest]);
  return fc.oneof(
    { arbitrary: session, weight: 3 },
    { arbitrary: fc.array(any, { maxLength: 4 }), weight: 1 },
  );
}

/** Runs a session to its end. Throws when the server ends it in a way that it should not. */
export async function runSession(
  url: string,
  key: string,
  { sent, document }: { sent: readonly Frame[]; document: ApiDocument },
): Promise<void> {
  const session = await converse(url, key, sent);
  const script = sent
    .map(({ data, kind }) => `${kind} ${data.toString("latin1").slice(0, 120)}`)
    .join("\n  ");
  try {
    checkSession(session, sent, document.component("ExecServerMessage"));
  } catch (cause) {
    const heard = JSON.stringify(session).slice(0, 1000);
    throw new Error(`${(cause as Error).message}\n  sent:\n  ${script}\n  heard: ${heard}`, { cause });
  }
}

function checkSession({ messages, code }: Session, sent: readonly Frame[], schema: Schema): void {
  for (const message of messages) assert.equal(violation(schema, message), undefined);
  const last = messages.at(-1)?.type;
  const ends = messages.filter(({ type }) => type === "exit" || type === "error");
  assert.ok(ends.length <= 1 && (ends.length === 0 || last === ends[0]?.type), "something after the end");
  assert.ok(!messages.some(({ type }, at) => type === "start" && at > 0), "start is first");
  const failure = messages.find(({ type }) => type === "error")?.code;
  assert.ok(!["internal", "unavailable", "guest_unreachable"].includes(failure ?? ""), `error ${failure}`);
  if (PROTOCOL_CODES.includes(code)) {
    assert.ok(sent.some(breaksProtocol), `closed with ${code} without a cause`);
  } else {
    assert.equal(code, last === "exit" ? 1000 : 1008);
    assert.equal(ends.length, 1, "neither exit nor error");
  }
}

/** Says all frames, then `stop`, and waits for the close. Who breaks the protocol hangs up. */
async function converse(url: string, key: string, sent: readonly Frame[]): Promise<Session> {
  const ws = new WebSocket(url, { headers: { "x-api-key": key } });
  const messages: ServerMessage[] = [];
  let socket: Duplex | undefined;
  ws.on("upgrade", (response) => {
    socket = response.socket;
  });
  ws.on("message", (data) => messages.push(JSON.parse(String(data)) as ServerMessage));
  // The server's answer to a broken frame may be a reset.
  ws.on("error", () => undefined);
  const closed = new Promise<number>((resolve) => ws.once("close", resolve));
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`the session has not ended within ${ANSWER_MS} ms`)),
    ANSWER_MS,
  );
  try {
    await Promise.race([new Promise((resolve) => ws.once("open", resolve)), closed, late]);
    for (const { data, kind } of [...sent, text('{"type":"stop"}')]) {
      if (ws.readyState !== ws.OPEN) break;
      if (kind === "raw") socket?.write(data);
      else ws.send(data, { binary: kind === "binary" });
    }
    // What follows a broken frame may count as its rest, and `stop` with it.
    if (sent.some(({ kind }) => kind === "raw")) socket?.end();
    return { messages, code: await Promise.race([closed, late]) };
  } finally {
    clearTimeout(timer);
    ws.terminate();
  }
}

const MIB = 1024 * 1024;
const DEPTH = 100_000;

const NO_MESSAGES: readonly Frame[] = [
  text(""),
  text("null"),
  text("[]"),
  text('"start"'),
  text("{"),
  text('{"type":"unknown"}'),
  text('{"type":["start"]}'),
  text('{"type":"__proto__"}'),
  text('{"__proto__":{"type":"stop"}}'),
  text("[".repeat(DEPTH) + "]".repeat(DEPTH)),
  text(`{"type":"stdin","data":"${"A".repeat(MIB)}"}`),
  text(" ".repeat(2 * MIB + 1)),
  { data: Buffer.from([0x7b, 0xff, 0x7d]), kind: "text" },
  // Not masked; a reserved opcode; a long ping; a length that never comes; a continuation of nothing.
  raw([0x81, 0x02, 0x7b, 0x7d]),
  raw([0x83, 0x80, 1, 2, 3, 4]),
  raw([0x89, 0xfe, 0x01, 0x00, 1, 2, 3, 4]),
  raw([0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]),
  raw([0x80, 0x80, 1, 2, 3, 4]),
];

function starts(schema: Schema): fc.Arbitrary<Frame> {
  const meant = fc.record(
    {
      cmd: fc.constantFrom(...(DICTIONARY["cmd"] ?? [])),
      user: fc.constantFrom(...(DICTIONARY["user"] ?? [])),
      cwd: fc.constantFrom(...(DICTIONARY["cwd"] ?? [])),
    },
    { requiredKeys: ["cmd"] },
  );
  return fc
    .tuple(validValue(schema) as fc.Arbitrary<object>, fc.option(meant))
    .map(([value, words]) => text(JSON.stringify({ ...value, ...words })));
}

/** Whether a frame breaks the WebSocket protocol or its limits, beside what it says. */
function breaksProtocol({ data, kind }: Frame): boolean {
  return kind === "raw" || data.length > 2 * MIB || (kind === "text" && data.includes(0xff));
}

function text(data: string): Frame {
  return { data: Buffer.from(data), kind: "text" };
}

function raw(bytes: Iterable<number>): Frame {
  return { data: Buffer.from([...bytes]), kind: "raw" };
}
