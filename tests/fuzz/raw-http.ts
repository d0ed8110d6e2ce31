// Bytes on a socket that are HTTP no longer, or not quite.
import assert from "node:assert/strict";
import { connect, type NetConnectOpts } from "node:net";
import fc from "fast-check";
import { ANSWER_MS } from "./send.ts";

/** A request with some of its bytes changed, left out or doubled. */
export function brokenBytes(requests: readonly string[]): fc.Arbitrary<Buffer> {
  const edit = fc.record({
    at: fc.nat(),
    kind: fc.constantFrom("replace", "remove", "insert", "repeat"),
    bytes: fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
      fc
        .constantFrom(
          "\r\n",
          "\0",
          " ",
          "\n\n",
          "Transfer-Encoding: chunked\r\n",
          "Content-Length: 5\r\n",
          "x".repeat(20_000),
        )
        .map((text) => Buffer.from(text)),
    ),
  });
  return fc
    .tuple(fc.constantFrom(...requests), fc.array(edit, { minLength: 1, maxLength: 4 }))
    .map(([text, edits]) =>
      edits.reduce((bytes, { at, kind, bytes: piece }) => {
        const place = at % (bytes.length + 1);
        const [before, behind] = [bytes.subarray(0, place), bytes.subarray(place)];
        if (kind === "insert") return Buffer.concat([before, piece, behind]);
        if (kind === "remove") return Buffer.concat([before, behind.subarray(piece.length)]);
        if (kind === "repeat") return Buffer.concat([before, behind, behind]);
        return Buffer.concat([before, piece, behind.subarray(piece.length)]);
      }, Buffer.from(text)),
    );
}

/**
 * Sends bytes and the end of them. The server answers, in JSON if it is an error, or closes; it does neither hang nor
 * say that it is broken.
 */
export async function tryBytes(where: NetConnectOpts, bytes: Buffer): Promise<void> {
  const answer = await talk(where, bytes);
  if (answer.length === 0) return;
  const text = answer.toString("latin1");
  const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(text) ?? [];
  const shown = `${JSON.stringify(bytes.toString("latin1").slice(0, 500))}\n  ${JSON.stringify(text.slice(0, 500))}`;
  assert.ok(status !== undefined && Number(status) < 500, shown);
  const head = text.slice(0, text.indexOf("\r\n\r\n"));
  if (Number(status) >= 400 && !/\r\ncontent-length: 0/i.test(head)) {
    assert.match(head, /\r\ncontent-type: application\/json/i, shown);
  }
}

function talk(where: NetConnectOpts, bytes: Buffer): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const socket = connect(where);
  const chunks: Buffer[] = [];
  const shown = JSON.stringify(bytes.toString("latin1").slice(0, 500));
  const timer = setTimeout(
    () => reject(new Error(`neither answered nor closed within ${ANSWER_MS} ms: ${shown}`)),
    ANSWER_MS,
  );
  socket.on("data", (chunk) => chunks.push(chunk));
  // Being reset is one way of being refused.
  socket.on("error", () => undefined);
  socket.on("close", () => resolve(Buffer.concat(chunks)));
  socket.end(bytes);
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}
