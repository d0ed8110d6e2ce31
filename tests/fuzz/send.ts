// Sends a request as it is, and reads the whole answer within a bound.
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import type { FuzzRequest } from "./request.ts";

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** No operation that is tried here may take longer: the longest is a cold resume, which boots an emulated machine. */
export const ANSWER_MS = 60_000;

/** Each request has a connection of its own. Throws when there is no whole answer within {@link ANSWER_MS}. */
export async function send(base: string, request: FuzzRequest): Promise<Answer> {
  const { operation, target, headers, body, chunked } = request;
  const { hostname, port } = new URL(base);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const outgoing = httpRequest({
    agent: false,
    hostname,
    port,
    method: operation.method,
    path: target,
    headers: [...headers, ...framing(request)].flat() as unknown as Record<string, string>,
  });
  const timer = setTimeout(() => reject(new Error(`no answer within ${ANSWER_MS} ms`)), ANSWER_MS);
  let answered = false;
  outgoing.on("response", (incoming) => {
    answered = true;
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("error", reject);
    incoming.on("end", () =>
      resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(chunks) }),
    );
  });
  // After an early answer the rest of a body cannot be sent; the answer counts.
  outgoing.on("error", (reason) => {
    if (!answered) reject(reason);
  });
  if (chunked && body) for (const piece of pieces(body)) outgoing.write(piece);
  else if (body) outgoing.write(body);
  outgoing.end();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    outgoing.destroy();
  }
}

/**
 * What Node adds to requests whose headers are no list. The connection could be kept, so that the server has no reason
 * to break off what it does not want to read.
 */
function framing({ headers, body, chunked }: FuzzRequest): [string, string][] {
  const always: [string, string][] = [
    ["host", "localhost"],
    ["connection", "keep-alive"],
  ];
  if (!body || headers.some(([name]) => name === "content-length")) return always;
  return [...always, chunked ? ["transfer-encoding", "chunked"] : ["content-length", String(body.length)]];
}

/** Splits where nothing else does. */
function pieces(body: Buffer): Buffer[] {
  const third = Math.ceil(body.length / 3) || 1;
  return [body.subarray(0, third), body.subarray(third, 2 * third), body.subarray(2 * third)];
}
