// The address that the API listens on: `HOST:PORT` as a user writes it.
import { createServer, isIPv6 } from "node:net";
import { WrennError } from "@wrenn/core";

export interface ListenAddress {
  /** A host name or an address, IPv6 without brackets. */
  host: string;
  /** 0 = any free port. */
  port: number;
}

/** Reads `HOST:PORT`, `[IPv6]:PORT` or `:PORT` (then 127.0.0.1). Throws `invalid_argument`. */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? (match?.[2] || "127.0.0.1");
  if (!match || port > 65535 || (match[1] !== undefined && !isIPv6(match[1]))) {
    throw new WrennError("invalid_argument", `--listen ${text}: expected HOST:PORT, such as 127.0.0.1:8000`, {
      field: "listen",
    });
  }
  return { host, port };
}

export function formatListenAddress({ host, port }: ListenAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Whether only this machine can connect. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** The URL under which a process of this machine reaches the API. */
export function localUrl({ host, port }: ListenAddress): string {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `http://${formatListenAddress({ host: reachable, port })}`;
}

/**
 * The address with a port in place of 0. Binds it for a moment, so that a port in use, or an address that
 * this machine does not have, is an `invalid_argument` with a remedy before anything has been started.
 */
export async function reservePort(address: ListenAddress): Promise<ListenAddress> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.once("error", (error: NodeJS.ErrnoException) => reject(explain(error, address)));
  server.listen({ host: address.host, port: address.port, exclusive: true }, () => {
    const bound = server.address();
    resolve(typeof bound === "object" && bound !== null ? bound.port : address.port);
  });
  const port = await promise;
  const closed = Promise.withResolvers<void>();
  server.close(() => closed.resolve());
  await closed.promise;
  return { host: address.host, port };
}

function explain(error: NodeJS.ErrnoException, address: ListenAddress): WrennError {
  const where = formatListenAddress(address);
  const reason =
    error.code === "EADDRINUSE"
      ? `another process listens on ${where} (ss -ltnp shows which): stop it, or choose another --listen`
      : `cannot listen on ${where} (${error.code}): choose another --listen`;
  return new WrennError("invalid_argument", reason, { field: "listen", cause: error });
}
