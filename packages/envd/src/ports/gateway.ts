// The way from outside to ports that programs of the guest keep to themselves (127.0.0.1, ::1).
import { connect, createServer, type Server, type Socket } from "node:net";

/** TCP port of the gateway. */
export const GATEWAY_PORT = 49982;

/** One line: token, space, port. A token has at most 1024 characters. */
const MAX_GREETING_BYTES = 1100;
const GREETING_MS = 10_000;
/** Probes on connections whose other end may have ceased to exist, as after a pause. */
const KEEPALIVE_MS = 60_000;

const LOOPBACKS = ["127.0.0.1", "::1"];

/**
 * Listens. A caller sends `<token> <port>\n`; the answer is `ok\n`, after which bytes go both ways as they are, or
 * `refused\n` and the end.
 */
export function serveGateway(options: {
  port: number;
  hostname: string;
  isToken: (token: string) => boolean;
}): Server {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (caller) => {
    caller.setKeepAlive(true, KEEPALIVE_MS);
    caller.on("error", () => caller.destroy());
    greet(caller, options.isToken).catch(() => caller.destroy());
  });
  return server.listen(options.port, options.hostname);
}

async function greet(caller: Socket, isToken: (token: string) => boolean): Promise<void> {
  const greeting = await readGreeting(caller);
  const [, token = "", port = "0"] = /^(\S+) (\d{1,5})$/.exec(greeting) ?? [];
  if (!isToken(token)) {
    caller.destroy();
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
