// Whether a request comes from this machine itself.
import type { IncomingMessage } from "node:http";

/** Headers that a proxy adds. Behind one every request comes from loopback, so none counts as local. */
const PROXY_HEADERS = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

export function isLoopback({ socket, headers }: Pick<IncomingMessage, "socket" | "headers">): boolean {
  const address = (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  const local = address === "::1" || /^127\.\d+\.\d+\.\d+$/.test(address);
  return local && PROXY_HEADERS.every((name) => headers[name] === undefined);
}
