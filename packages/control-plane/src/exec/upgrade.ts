// Upgrade requests take the same way as all others, so that they fail with the same JSON.
import { type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { SandboxProxy } from "../proxy/proxy.ts";

export interface Upgrade {
  socket: Duplex;
  /** Bytes that came behind the request's head. */
  head: Buffer;
  /** Takes the socket away from the response that would have carried an error. */
  release: () => void;
}

const pending = new WeakMap<IncomingMessage, Upgrade>();

/** Only WebSocket requests are taken out of the ordinary way; other `Upgrade` headers are ignored, as HTTP allows. */
export function shouldUpgrade({ method, headers }: IncomingMessage): boolean {
  return method === "GET" && headers.upgrade?.toLowerCase() === "websocket";
}

/** Hands upgrade requests to the proxy, or to the ordinary routing with a response on their socket. */
export function routeUpgrades(
  server: Server,
  proxy: Pick<SandboxProxy, "claims" | "upgrade">,
  route: (request: IncomingMessage, response: ServerResponse) => void,
): void {
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Node has taken its own listeners off; without one a reset connection would end the process.
    socket.on("error", () => socket.destroy());
    if (proxy.claims(request)) {
      proxy.upgrade(request, socket, head);
      return;
    }
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Parameters<ServerResponse["assignSocket"]>[0]);
    response.once("finish", () => socket.end());
    pending.set(request, {
      socket,
      head,
      release: () => response.detachSocket(socket as Parameters<ServerResponse["detachSocket"]>[0]),
    });
    route(request, response);
  });
}

/** The upgrade that a request asks for, if it does. */
export function upgradeOf(request: IncomingMessage): Upgrade | undefined {
  return pending.get(request);
}
