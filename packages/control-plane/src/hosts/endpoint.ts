// How a host agent is reached: its private Unix socket, or mutual TLS.
import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { unaryClient } from "@wrenn/rpc/unary";
import { Pool } from "undici";

export interface TlsFiles {
  ca: string;
  cert: string;
  key: string;
}

export interface Endpoint {
  address: string;
  /** For RPCs. */
  transport: Transport;
  /** For the raw routes; streams share its connections. */
  request(options: { method: string; path: string; headers: http.OutgoingHttpHeaders }): http.ClientRequest;
  close(): void;
}

/** No RPC answers with more: two captured streams of 10 MiB and what surrounds them. */
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;

/**
 * Connect asks for gzip by default. Between processes of one machine or one rack it costs more than it saves,
 * and output that compresses well would fill the reader's memory in spite of back-pressure.
 */
const NO_COMPRESSION: [] = [];

/**
 * Opens nothing yet; connections are made on demand and kept. HTTP/1.1 because each stream then has a
 * connection, and so a back-pressure, of its own.
 */
export function openEndpoint(address: string, tls: TlsFiles | undefined): Endpoint {
  return address.startsWith("unix:") ? unixEndpoint(address) : tlsEndpoint(address, tls);
}

function unixEndpoint(address: string): Endpoint {
  const socketPath = address.slice("unix:".length);
  const agent = new http.Agent({ keepAlive: true });
  const pool = new Pool("http://host", { socketPath });
  const request: Endpoint["request"] = (options) =>
    http.request({ ...options, agent, socketPath, host: "host" });
  return {
    address,
    transport: transport({ baseUrl: "http://host", nodeOptions: { agent, socketPath } }, pool),
    request,
    close: () => close(agent, pool),
  };
}

function tlsEndpoint(address: string, files: TlsFiles | undefined): Endpoint {
  if (!files)
    throw new Error(`${address} needs WRENN_HOST_TLS_CA, WRENN_HOST_TLS_CERT and WRENN_HOST_TLS_KEY`);
  const tls = {
    ca: readFileSync(files.ca),
    cert: readFileSync(files.cert),
    key: readFileSync(files.key),
    minVersion: "TLSv1.3",
  } as const;
  const agent = new https.Agent({ keepAlive: true, ...tls });
  const pool = new Pool(new URL(address).origin, { connect: tls });
  const { hostname, port } = new URL(address);
  const request: Endpoint["request"] = (options) =>
    https.request({ ...options, agent, host: hostname, port: port || 443 });
  return {
    address,
    transport: transport({ baseUrl: address, nodeOptions: { agent } }, pool),
    request,
    close: () => close(agent, pool),
  };
}

/** Streams through connect-node, calls with one answer through a way that costs a third of its. */
function transport(
  options: { baseUrl: string; nodeOptions: http.RequestOptions },
  dispatcher: Pool,
): Transport {
  const { stream } = createConnectTransport({
    ...options,
    httpVersion: "1.1",
    useBinaryFormat: true,
    readMaxBytes: MAX_MESSAGE_BYTES,
    acceptCompression: NO_COMPRESSION,
  });
  return { stream, unary: unaryClient({ dispatcher, maxBytes: MAX_MESSAGE_BYTES }) };
}

function close(agent: http.Agent, pool: Pool): void {
  agent.destroy();
  // Calls under way fail; nobody waits for the sockets.
  pool.destroy().catch(() => undefined);
}
