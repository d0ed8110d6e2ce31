// The address of a stream.
import type { Transport } from "./transport.ts";

/** `http` becomes `ws`, `https` becomes `wss`. */
export function socketUrl(transport: Transport, path: string): string {
  return transport.url.replace(/^http/, "ws") + path;
}
