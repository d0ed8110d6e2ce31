// The socket of Node: the key goes into a header, slow readers pause the connection.
import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { errorOfResponse, WrennConnectionError } from "./error.ts";
import type { OpenSocket, Socket } from "./socket.ts";
import { socketUrl } from "./socket-url.ts";
import { connectionError } from "./transport.ts";

/** How often a sign of life is asked for, in ms. Two silent intervals end the connection. */
const HEARTBEAT_MS = 20_000;
/** The longest frame accepted, in bytes. The server's are far below. */
const MAX_FRAME = 4 * 1024 * 1024;
/** As much of an error's body as is read, in bytes. */
const MAX_ERROR_BODY = 64 * 1024;

export function openNodeSocket({ transport, path, listener, signal }: OpenSocket): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = new WebSocket(socketUrl(transport, path), {
    headers: transport.headers(),
    perMessageDeflate: false,
    maxPayload: MAX_FRAME,
  });
  const abort = () => socket.terminate();
  signal?.addEventListener("abort", abort, { once: true });
  let failure: unknown;
  let opened = false;
  socket.once("unexpected-response", (_request, response) => {
    void readText(response).then(
      (text) => {
        const header = (name: string) => response.headers[name]?.toString();
        reject(errorOfResponse({ status: response.statusCode ?? 0, header }, text));
        socket.terminate();
      },
      (cause: unknown) => {
        reject(connectionError(`connecting to ${transport.url}${path} failed`, cause, signal));
        socket.terminate();
      },
    );
  });
  socket.on("error", (cause) => {
    failure = cause;
  });
  socket.once("open", () => {
    opened = true;
    signal?.removeEventListener("abort", abort); // from here on it is the stream's to stop the command
    watch(socket, (error) => {
      failure = error;
      socket.terminate();
    });
    resolve(adapt(socket));
  });
  socket.on("message", (data) => listener.message(data.toString()));
  socket.once("close", () => {
    signal?.removeEventListener("abort", abort);
    if (opened) listener.closed(failure);
    else reject(connectionError(`connecting to ${transport.url}${path} failed`, failure, signal));
  });
  return promise;
}

function adapt(socket: WebSocket): Socket {
  return {
    send: (text) =>
      new Promise((resolve, reject) => {
        socket.send(text, (cause) => {
          if (cause) reject(new WrennConnectionError("the exec stream is closed", { cause }));
          else resolve();
        });
      }),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: () => socket.close(1000),
    terminate: () => socket.terminate(),
  };
}

/** Notices a peer that is gone without a word. A paused connection is not judged. */
function watch(socket: WebSocket, dead: (error: Error) => void): void {
  let silent = 0;
  const alive = () => {
    silent = 0;
  };
  const timer = setInterval(() => {
    if (socket.isPaused) return alive();
    silent += 1;
    if (silent > 2) dead(new WrennConnectionError(`no sign of life for ${(2 * HEARTBEAT_MS) / 1000} s`));
    else if (socket.readyState === WebSocket.OPEN) socket.ping();
  }, HEARTBEAT_MS);
  timer.unref();
  for (const event of ["message", "ping", "pong"] as const) socket.on(event, alive);
  socket.once("close", () => clearInterval(timer));
}

async function readText(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) {
    text += chunk;
    if (text.length > MAX_ERROR_BODY) break;
  }
  return text;
}
