// Plain connections: to ports that programs of the guest keep to themselves (127.0.0.1, ::1), and of large files.
import { connect, createServer, type Server, type Socket } from "node:net";
import { WrennError } from "@wrenn/core";
import { receiveStream } from "../files/receive-stream.ts";
import type { StagedFile } from "../files/staged-file.ts";

/** TCP port of the gateway. */
export const GATEWAY_PORT = 49982;

/** One line: a token of at most 1024 characters, and a port, or a mark and a path of at most 4096 bytes, encoded. */
const MAX_GREETING_BYTES = 16 * 1024;
const GREETING_MS = 10_000;
/** Probes on connections whose other end may have ceased to exist, as after a pause. */
const KEEPALIVE_MS = 60_000;

const LOOPBACKS = ["127.0.0.1", "::1"];

export interface GatewayOptions {
  port: number;
  hostname: string;
  isToken: (token: string) => boolean;
  /** A file for a path as given. Throws what is wrong with it. */
  stage: (path: string) => StagedFile;
}

/**
 * Listens. A caller sends `<token> <port>\n`; the answer is `ok\n`, after which bytes go both ways as they are, or
 * `refused\n` and the end. Or it sends `<token> put <mark> <path>\n`, the mark as 32 hex digits, the path
 * percent-encoded; after `ok\n` it sends the file's content, the mark, and the end. The last answer, at whatever time,
 * is an {@link Outcome} as a line of JSON.
 */
export function serveGateway(options: GatewayOptions): Server {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (caller) => {
    caller.setKeepAlive(true, KEEPALIVE_MS);
    caller.on("error", () => caller.destroy());
    greet(caller, options).catch(() => caller.destroy());
  });
  return server.listen(options.port, options.hostname);
}

async function greet(caller: Socket, { isToken, stage }: GatewayOptions): Promise<void> {
  const greeting = await readGreeting(caller);
  const [, token = "", port, mark = "", path = ""] =
    /^(\S+) (?:(\d{1,5})|put ([\da-f]{32}) (\S+))$/.exec(greeting) ?? [];
  if (!isToken(token)) {
    caller.destroy();
    return;
  }
  if (port === undefined) {
    caller.end(`${JSON.stringify(await put(caller, Buffer.from(mark, "hex"), () => stage(decode(path))))}\n`);
    return;
  }
  const target = await dial(Number(port));
  if (!target) {
    caller.end("refused\n");
    return;
  }
  caller.write("ok\n");
  splice(caller, target);
}

/** How a file was received: an HTTP status, and what is wrong in the words of the agent's error bodies. */
export interface Outcome {
  status: number;
  error_code?: string;
  message?: string;
}

async function put(caller: Socket, mark: Buffer, stage: () => StagedFile): Promise<Outcome> {
  try {
    const file = stage();
    caller.write("ok\n");
    await receiveStream(caller, mark, file);
    return { status: 200 };
  } catch (reason) {
    const { code, httpStatus, message } = WrennError.from(reason, "internal error of the guest agent");
    return { status: httpStatus, error_code: code, message };
  }
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw new WrennError("invalid_argument", "path is not percent-encoded UTF-8", { field: "path", cause });
  }
}

/** The first line. What follows it stays in the stream. */
function readGreeting(caller: Socket): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let seen = Buffer.alloc(0);
  const late = setTimeout(() => reject(new Error("no greeting")), GREETING_MS);
  const onEnd = () => reject(new Error("no greeting"));
  const onData = (chunk: Buffer) => {
    seen = Buffer.concat([seen, chunk]);
    const end = seen.indexOf(10);
    if (end < 0 && seen.length <= MAX_GREETING_BYTES) return;
    caller.pause();
    caller.off("data", onData);
    if (end < 0) {
      reject(new Error("not a greeting"));
      return;
    }
    const rest = seen.subarray(end + 1);
    if (rest.length > 0) caller.unshift(rest);
    resolve(seen.toString("latin1", 0, end));
  };
  caller.on("data", onData);
  caller.once("close", onEnd);
  return promise.finally(() => {
    clearTimeout(late);
    caller.off("close", onEnd);
  });
}

async function dial(port: number): Promise<Socket | undefined> {
  if (port < 1 || port > 65_535) return undefined;
  for (const host of LOOPBACKS) {
    const socket = await dialOne(host, port);
    if (socket) return socket;
  }
  return undefined;
}

function dialOne(host: string, port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
    socket.once("connect", () => resolve(socket));
    socket.once("error", () => resolve(undefined));
  });
}

/** Each end's end is passed on; an error on one side ends both. */
function splice(a: Socket, b: Socket): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.on("error", () => from.destroy());
    from.on("close", () => {
      if (from.errored) to.destroy();
    });
    from.pipe(to);
  }
}
