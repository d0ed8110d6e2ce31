// How a host agent is reached: its private Unix socket, or mutual TLS.
import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import type { Socket } from "node:net";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { UNARY_UPGRADE, unaryClient } from "@wrenn/rpc/unary";
import { isSocket, upgraded, upgradeTo } from "./upgrade.ts";

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
  request(options: RequestOptions): http.ClientRequest;
  close(): void;
}

export interface RequestOptions {
  method: string;
  path: string;
  headers: http.OutgoingHttpHeaders;
  /** Breaks it off. */
  signal?: AbortSignal;
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
  const request: Endpoint["request"] = (options) =>
    http.request({ ...options, agent, socketPath, host: "host" });
  return endpoint({ address, baseUrl: "http://host", nodeOptions: { agent, socketPath }, agent, request });
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
  const { hostname, port } = new URL(address);
  const request: Endpoint["request"] = (options) =>
    https.request({ ...options, agent, host: hostname, port: port || 443 });
  return endpoint({ address, baseUrl: address, nodeOptions: { agent }, agent, request });
}

interface Parts {
  address: string;
  baseUrl: string;
  nodeOptions: http.RequestOptions;
  agent: http.Agent;
  request: Endpoint["request"];
}

/** Streams by connect-node; calls with one answer as frames, which are less work (decision 0013). */
function endpoint({ address, baseUrl, nodeOptions, agent, request }: Parts): Endpoint {
  const connect = createConnectTransport({
    baseUrl,
    nodeOptions,
    httpVersion: "1.1",
    useBinaryFormat: true,
    readMaxBytes: MAX_MESSAGE_BYTES,
    acceptCompression: NO_COMPRESSION,
  });
  const calls = unaryClient({ connect: (signal) => openCalls(request, signal), maxBytes: MAX_MESSAGE_BYTES });
  // A host of an earlier version, until this process ends.
  let older = false;
  const unary: Transport["unary"] = async (...call) => {
    if (older) return await connect.unary(...call);
    try {
      return await calls.unary(...call);
    } catch (reason) {
      if (!(reason instanceof Error && reason.cause instanceof NoFrames)) throw reason;
      older = true;
      return await connect.unary(...call);
    }
  };
  return {
    address,
    transport: { stream: connect.stream, unary },
    request,
    close() {
      calls.close();
      agent.destroy();
    },
  };
}

/** The host knows calls over HTTP only. (No ConnectError: each of those is an instance of every class of them.) */
class NoFrames extends Error {}

async function openCalls(request: Endpoint["request"], signal: AbortSignal): Promise<Socket> {
  const answer = await upgraded(
    request({ method: "GET", path: "/calls", headers: upgradeTo(UNARY_UPGRADE), signal }),
  );
  if (isSocket(answer)) return answer;
  answer.resume();
  throw new NoFrames(`the host answers ${answer.statusCode} to ${UNARY_UPGRADE}`);
}
