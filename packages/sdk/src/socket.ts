// The WebSocket as the exec stream needs it: two adapters, for Node and for browsers.
import type { Transport } from "./transport.ts";

/** What a socket reports. Nothing comes after `closed`. */
export interface SocketListener {
  /** A text frame. */
  message(text: string): void;
  /** The connection is gone: properly closed, or with the error that ended it. */
  closed(error?: unknown): void;
}

export interface Socket {
  /** Resolves when the frame has left for the network. Rejects when the connection is gone. */
  send(text: string): Promise<void>;
  /** Stops reading, so that the sender has to wait. Frames already here may still come. */
  pause(): void;
  resume(): void;
  /** Closing handshake. */
  close(): void;
  /** Drops the connection. */
  terminate(): void;
}

export interface OpenSocket {
  transport: Transport;
  /** Path of the stream, without a query. */
  path: string;
  listener: SocketListener;
  signal?: AbortSignal | undefined;
  /** Gets a ticket, where headers cannot be set. */
  ticket: () => Promise<string>;
}

/** Opens a socket with whatever this runtime has. Resolves when it is open. */
export async function openSocket(options: OpenSocket): Promise<Socket> {
  options.signal?.throwIfAborted();
  if (typeof process === "object" && process.versions?.node !== undefined) {
    return (await import("./node-socket.ts")).openNodeSocket(options);
  }
  return (await import("./browser-socket.ts")).openBrowserSocket(options);
}
