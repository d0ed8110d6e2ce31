// File bytes to and from a host: plain HTTP bodies beside the RPCs, with the back-pressure of their sockets.
import { once } from "node:events";
import type { ClientRequest, IncomingMessage } from "node:http";
import { REQUEST_ID_HEADER } from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import { fromRawBody, unreachable } from "./errors.ts";
import type { HostClient } from "./host-client.ts";

export interface RawFile {
  sandboxId: string;
  path: string;
  requestId: string;
}

/** An error body of a host is a few hundred bytes; what is longer is not one. */
const MAX_ERROR_BYTES = 64 * 1024;

/**
 * An upload in progress. The host writes to a temporary name and renames at the end, so that nothing has
 * changed until `finish()` returns.
 */
export class RawUpload {
  readonly #request: ClientRequest;
  readonly #attempted: string;
  readonly #answer: Promise<IncomingMessage>;

  constructor(host: HostClient, file: RawFile) {
    this.#attempted = `writing ${file.path} in sandbox ${file.sandboxId}`;
    this.#request = host.endpoint.request({ method: "PUT", ...target(file) });
    this.#answer = answerOf(this.#request);
    // An early refusal is picked up by `write` or `finish`; until then it is not unhandled.
    this.#answer.catch(() => undefined);
  }

  /** Sends a piece; waits while the host is slower than the client. */
  async write(chunk: Buffer): Promise<void> {
    if (this.#request.write(chunk)) return;
    const controller = new AbortController();
    const drained = once(this.#request, "drain", { signal: controller.signal });
    drained.catch(() => undefined);
    try {
      const early = await Promise.race([drained, this.#answer]);
      if (!Array.isArray(early)) await this.#settle(early);
    } catch (reason) {
      throw this.#failure(reason);
    } finally {
      controller.abort();
    }
  }

  /** Ends the file. Returns once it is in place. */
  async finish(): Promise<void> {
    this.#request.end();
    try {
      await this.#settle(await this.#answer);
    } catch (reason) {
      throw this.#failure(reason);
    }
  }

  /** Breaks the upload off; the old file stays. */
  abort(): void {
    this.#request.destroy();
  }

  async #settle(answer: IncomingMessage): Promise<void> {
    const text = await readBounded(answer);
    const status = answer.statusCode ?? 0;
    if (status >= 300) throw fromRawBody(status, text, this.#attempted);
  }

  #failure(reason: unknown): unknown {
    return reason instanceof WrennError ? reason : unreachable(this.#attempted, reason);
  }
}

/** Opens a file for reading. Throws before the first byte when it is not there. Destroy the answer to stop early. */
export async function openRawDownload(host: HostClient, file: RawFile): Promise<IncomingMessage> {
  const attempted = `reading ${file.path} in sandbox ${file.sandboxId}`;
  const request = host.endpoint.request({ method: "GET", ...target(file) });
  request.end();
  let answer: IncomingMessage;
  try {
    answer = await answerOf(request);
  } catch (reason) {
    throw unreachable(attempted, reason);
  }
  const status = answer.statusCode ?? 0;
  if (status === 200) return answer;
  throw fromRawBody(status, await readBounded(answer), attempted);
}

function target({ sandboxId, path, requestId }: RawFile) {
  return {
    path: `/raw/v1/sandboxes/${sandboxId}/files?path=${encodeURIComponent(path)}`,
    headers: { [REQUEST_ID_HEADER]: requestId },
  };
}

function answerOf(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once("response", resolve);
    request.on("error", reject);
  });
}

/** The text of an error body, up to a bound. */
export async function readBounded(answer: IncomingMessage): Promise<string> {
  let text = "";
  answer.setEncoding("utf8");
  for await (const chunk of answer) {
    text += String(chunk);
    if (text.length > MAX_ERROR_BYTES) answer.destroy();
  }
  return text;
}
