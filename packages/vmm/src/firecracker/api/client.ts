// Firecracker's API: HTTP over the Unix socket that its process listens on.
import { request as httpRequest, type IncomingMessage } from "node:http";
import { WrennError } from "@wrenn/core";
import { connectUntrustedUnix, until } from "@wrenn/linux";
import type { Static, TSchema } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import { printable } from "../../console.ts";
import { type AnswerOf, type ApiRequest, OPERATIONS, type OperationName } from "./operations.ts";
import { SCHEMAS } from "./schemas.ts";

export interface FirecrackerApiOptions {
  /** Path of the socket on the host. It lies in the machine's own directory: who answers there is not trusted. */
  path: string;
  /** Whether the machine's process still runs. */
  isAlive: () => boolean;
}

export interface SendOptions {
  /** Milliseconds until the answer must be there, connecting included. Default: 30 000. */
  timeoutMs?: number;
}

/** A process that starts among many others answers after seconds. */
const SEND_TIMEOUT_MS = 30_000;
/** The longest answer that is used, that of `GET /`, has some hundred. */
const MAX_ANSWER_BYTES = 64 * 1024;
/** Of a refusal's text. */
const MAX_REASON_CHARACTERS = 1000;

/** Compiled when the first answer comes: most hosts that load this run no Firecracker. */
const answers = new Map<OperationName, Validator | undefined>();
function validatorOf(operation: OperationName): Validator | undefined {
  if (!answers.has(operation)) {
    const { answer } = OPERATIONS[operation] as { answer?: TSchema };
    answers.set(operation, answer && Compile(answer));
  }
  return answers.get(operation);
}
let refusals: Validator<Record<never, never>, typeof SCHEMAS.Error> | undefined;
function isRefusal(value: unknown): value is Static<typeof SCHEMAS.Error> {
  refusals ??= Compile(SCHEMAS.Error);
  return refusals.Check(value);
}

/** One machine's API. Each call has a connection of its own: there is nothing to lose between two of them. */
export class FirecrackerApi {
  readonly #options: FirecrackerApiOptions;

  constructor(options: FirecrackerApiOptions) {
    this.#options = options;
  }

  /** Waits until the process listens. Throws `unavailable` when it has ended, `deadline_exceeded` when it never does. */
  async untilServing({ timeoutMs }: { timeoutMs: number }): Promise<void> {
    const { path, isAlive } = this.#options;
    let alive = true;
    const serves = await until(
      async () => {
        alive = isAlive();
        return !alive || (await listens(path));
      },
      { timeoutMs },
    );
    if (!alive) throw new WrennError("unavailable", "Firecracker ended before it listened on its socket");
    if (!serves)
      throw new WrennError("deadline_exceeded", `Firecracker does not listen after ${timeoutMs} ms`);
  }

  /**
   * Makes a call and gives its answer back. Throws `internal` with Firecracker's reason when it refuses, `unavailable` when
   * it does not answer (any more), `deadline_exceeded` when it takes too long.
   */
  async send<R extends ApiRequest>(
    { operation, id, body }: R,
    { timeoutMs = SEND_TIMEOUT_MS }: SendOptions = {},
  ): Promise<AnswerOf<R["operation"]>> {
    const { method, path } = OPERATIONS[operation];
    const target = path.replace("{id}", id ?? "");
    const what = `${method} ${target}`;
    const { status, text } = await this.#exchange({ method, target, what, body, timeoutMs });
    const value = parse(text);
    if (status < 200 || status > 299) throw refusal(what, status, value);
    const validator = validatorOf(operation);
    if (validator && !validator.Check(value)) {
      throw new WrennError("internal", `Firecracker answered ${what} with something else than expected`);
    }
    return (validator ? value : undefined) as AnswerOf<R["operation"]>;
  }

  async #exchange(call: {
    method: string;
    target: string;
    what: string;
    body: unknown;
    timeoutMs: number;
  }): Promise<{ status: number; text: string }> {
    const { method, target, what, body, timeoutMs } = call;
    const late = AbortSignal.timeout(timeoutMs);
    const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const outgoing = httpRequest({
          method,
          path: target,
          signal: late,
          headers: {
            accept: "application/json",
            ...(content && { "content-type": "application/json", "content-length": content.length }),
          },
          createConnection: () => connectUntrustedUnix(this.#options.path),
        });
        outgoing.once("response", resolve).once("error", reject).end(content);
      });
      return { status: response.statusCode ?? 0, text: await read(response, late) };
    } catch (cause) {
      if (cause instanceof WrennError) throw cause;
      if (late.aborted) {
        throw new WrennError("deadline_exceeded", `Firecracker did not answer ${what} in ${timeoutMs} ms`);
      }
      throw new WrennError("unavailable", `Firecracker does not answer ${what}`, { cause });
    }
  }
}

/** Whether somebody accepts connections at a path. */
async function listens(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  try {
    const socket = connectUntrustedUnix(path);
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== "ENOENT") throw reason;
    resolve(false);
  }
  return promise;
}

async function read(response: IncomingMessage, late: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const giveUp = () => response.destroy(new Error("too late"));
  late.addEventListener("abort", giveUp, { once: true });
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) {
        throw new WrennError("internal", `Firecracker's answer has more than ${MAX_ANSWER_BYTES} bytes`);
      }
      chunks.push(chunk);
    }
  } finally {
    late.removeEventListener("abort", giveUp);
    response.destroy();
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Undefined for what is not JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refusal(what: string, status: number, value: unknown): WrennError {
  const reason = isRefusal(value) ? value.fault_message : undefined;
  const text = printable(reason ?? `status ${status}`).slice(0, MAX_REASON_CHARACTERS);
  return new WrennError("internal", `Firecracker refused ${what}: ${text}`);
}
