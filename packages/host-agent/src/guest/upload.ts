// A large file on its way into a guest, over a connection of its own: quicker than HTTP in an emulated
// guest, whose server hands bodies of unknown length on in small pieces (docs/decisions/0005).
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { isErrorCode, WrennError } from "@wrenn/core";
import { MARK_BYTES } from "@wrenn/envd";
import { relayed } from "@wrenn/rpc/bulk";
import { type GatewayAddress, isRefused, openGateway, readLine } from "./dial.ts";
import { guestError } from "./errors.ts";

/** What is smaller goes as one HTTP request, whose length is known then, `bytes`. */
const SMALL_BYTES = 256 * 1024;
/** The longest answer: a message names a path of at most 4096 bytes, each of which may take six in JSON. */
const MAX_OUTCOME_BYTES = 32 * 1024;
/** Longest wait for the first line; emulated guests under load are slow. */
const FIRST_LINE_MS = 60_000;

/**
 * A stream's content when it is small; otherwise nothing, and the stream is as it was. Rejects with the signal's reason;
 * the stream is left to whoever has it then, who may still want to answer over its connection.
 */
export async function smallContent(content: Readable, signal: AbortSignal): Promise<Buffer | undefined> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    const small = await Promise.race([aborted.promise, gather(content)]);
    // An HTTP/2 request that breaks off just ends.
    signal.throwIfAborted();
    return small;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

async function gather(content: Readable): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of content.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= SMALL_BYTES) {
      content.unshift(Buffer.concat(chunks));
      return undefined;
    }
  }
  return Buffer.concat(chunks);
}

/**
 * Writes a file in a guest; false when its agent is from before there was this way, which then has read nothing. Throws
 * what the agent says; the content is not destroyed then: it may be the request that is to be answered with it. The old
 * file stays whole until the last byte has arrived.
 */
export async function putFile(address: GatewayAddress, path: string, content: Readable): Promise<boolean> {
  const attempted = `write ${path}`;
  const mark = randomBytes(MARK_BYTES);
  let socket: Socket;
  try {
    socket = await openGateway(address);
  } catch (reason) {
    address.signal.throwIfAborted();
    if (isRefused(reason)) return false;
    throw guestError(reason, attempted);
  }
  const abort = () => socket.destroy();
  address.signal.addEventListener("abort", abort, { once: true });
  socket.on("error", () => {}); // Seen by whoever reads or writes.
  try {
    address.signal.throwIfAborted();
    socket.write(`${address.token} put ${mark.toString("hex")} ${encodeURIComponent(path)}\n`);
    const line = { signal: address.signal, maxBytes: MAX_OUTCOME_BYTES };
    const answer = await readLine(socket, { ...line, timeoutMs: FIRST_LINE_MS });
    if (answer === "") return false;
    if (answer !== "ok") throw failure(answer, attempted);
    const outcome = readLine(socket, { ...line, timeoutMs: 0 });
    const sent = finished(content, { writable: false }).then(() => socket.end(mark));
    for (const promise of [outcome, sent]) promise.catch(() => undefined);
    relayed(content).pipe(socket, { end: false });
    // An answer may come before all is sent (a full disk).
    const said = await Promise.race([outcome, sent.then(() => outcome)]);
    if (said !== '{"status":200}') throw failure(said, attempted);
    return true;
  } catch (reason) {
    address.signal.throwIfAborted();
    throw guestError(reason, attempted);
  } finally {
    address.signal.removeEventListener("abort", abort);
    // Paused: with nothing but its bytes' counter behind it, it would flow on.
    content.unpipe(socket).pause();
    socket.destroy();
  }
}

/** The guest is not trusted: what is no answer of its agent is a lost connection. */
function failure(line: string, attempted: string): WrennError {
  let said: { error_code?: unknown; message?: unknown } = {};
  try {
    said = JSON.parse(line);
  } catch (cause) {
    return guestError(cause, attempted);
  }
  const { error_code: code, message } = said ?? {};
  if (typeof code !== "string" || !isErrorCode(code) || typeof message !== "string")
    return guestError(new Error("not an outcome"), attempted);
  return new WrennError(code, message);
}
