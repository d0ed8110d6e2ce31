// The socket of browsers: a ticket in the query takes the place of the key, and there is no pausing.
import { WrennConnectionError } from "./error.ts";
import type { OpenSocket, Socket } from "./socket.ts";
import { socketUrl } from "./socket-url.ts";

/** Bytes that may wait to be sent before `send` holds its caller back. */
const SEND_BUFFER = 256 * 1024;
/** How often a full buffer is looked at, in ms: browsers report no event for it. */
const DRAIN_POLL_MS = 5;

export async function openBrowserSocket({
  transport,
  path,
  listener,
  signal,
  ticket,
}: OpenSocket): Promise<Socket> {
  const query = `?ticket=${encodeURIComponent(await ticket())}`;
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = new WebSocket(socketUrl(transport, path) + query);
  const abort = () => socket.close();
  signal?.addEventListener("abort", abort, { once: true });
  let opened = false;
  socket.addEventListener("open", () => {
    opened = true;
    signal?.removeEventListener("abort", abort); // from here on it is the stream's to stop the command
    resolve(adapt(socket));
  });
  socket.addEventListener("message", (event) => listener.message(String(event.data)));
  socket.addEventListener("close", (event) => {
    signal?.removeEventListener("abort", abort);
    if (opened) {
      listener.closed(
        event.code === 1000 ? undefined : new WrennConnectionError(`closed with ${event.code}`),
      );
    } else {
      reject(signal?.aborted ? signal.reason : new WrennConnectionError(`connecting to ${path} failed`));
    }
  });
  return promise;
}

function adapt(socket: WebSocket): Socket {
  return {
    async send(text) {
      if (socket.readyState !== WebSocket.OPEN) throw new WrennConnectionError("the exec stream is closed");
      socket.send(text);
      while (socket.bufferedAmount > SEND_BUFFER && socket.readyState === WebSocket.OPEN) {
        await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
      }
    },
    pause() {},
    resume() {},
    close: () => socket.close(1000),
    terminate: () => socket.close(),
  };
}
