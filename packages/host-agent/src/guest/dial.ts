// A TCP connection to any port of a guest, also to one that listens only on the guest's own loopback.
import { connect, type Socket } from "node:net";
import { WrennError } from "@wrenn/core";
import { GATEWAY_PORT } from "@wrenn/envd";

export interface GatewayAddress {
  host: string;
  /** The agent's access token. */
  token: string;
  signal: AbortSignal;
  /** Where the gateway listens; for tests. */
  gatewayPort?: number;
}

export interface GuestAddress extends GatewayAddress {
  port: number;
}

/** A guest that does not even refuse within this time is taken for closed; a lost SYN is repeated after 1 and 3 s. */
const CONNECT_TIMEOUT_MS = 5_000;

/** Ports of the agent that are nobody's business: what is sent there speaks for the platform. */
const OWN_PORTS: readonly number[] = [GATEWAY_PORT];

/** Connects, paused. Throws `guest_unreachable` when nothing listens there. */
export async function dialGuest(address: GuestAddress): Promise<Socket> {
  const { host, port, signal } = address;
  if (OWN_PORTS.includes(port)) throw closed(port);
  try {
    return await open(host, port, signal);
  } catch (reason) {
    signal.throwIfAborted();
    if (!isRefused(reason)) throw closed(port, reason);
  }
  return await dialLoopback(address);
}

/** By way of the agent, which connects to its loopback. */
async function dialLoopback(address: GuestAddress): Promise<Socket> {
  const { port, token, signal } = address;
  let socket: Socket;
  try {
    socket = await openGateway(address);
  } catch (reason) {
    signal.throwIfAborted();
    throw closed(port, reason);
  }
  socket.write(`${token} ${port}\n`);
  const options = { signal, maxBytes: 64, timeoutMs: CONNECT_TIMEOUT_MS };
  if ((await readLine(socket, options)) === "ok") return socket;
  socket.destroy();
  throw closed(port);
}

/** A connection to the agent's gateway, which is told first what it is for. */
export function openGateway({ host, signal, gatewayPort = GATEWAY_PORT }: GatewayAddress): Promise<Socket> {
  return open(host, gatewayPort, signal);
}

function open(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
  const abort = () => socket.destroy(new Error("given up", { cause: signal.reason }));
  const late = setTimeout(() => socket.destroy(new Error("no answer")), CONNECT_TIMEOUT_MS);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  socket.once("connect", () => resolve(socket));
  socket.once("error", reject);
  return promise.finally(() => {
    clearTimeout(late);
    signal.removeEventListener("abort", abort);
  });
}

export interface LineOptions {
  signal: AbortSignal;
  maxBytes: number;
  /** 0 = as long as the signal lets it. */
  timeoutMs: number;
}

/** The gateway's next line, without its end; empty when it does not come in time, or at all, or is too long. */
export async function readLine(
  socket: Socket,
  { signal, maxBytes, timeoutMs }: LineOptions,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let seen = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    seen = Buffer.concat([seen, chunk]);
    const end = seen.indexOf(10);
    if (end < 0 && seen.length < maxBytes) return;
    socket.pause();
    const rest = seen.subarray(end + 1);
    if (end >= 0 && rest.length > 0) socket.unshift(rest);
    resolve(end < 0 ? "" : seen.toString("utf8", 0, end));
  };
  const onClose = () => resolve("");
  const abort = () => reject(signal.reason);
  const late = timeoutMs === 0 ? undefined : setTimeout(onClose, timeoutMs);
  socket.on("data", onData).once("end", onClose).once("close", onClose).once("error", onClose);
  socket.resume(); // An earlier line has paused it.
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await promise;
  } catch (reason) {
    socket.destroy();
    throw reason;
  } finally {
    clearTimeout(late);
    signal.removeEventListener("abort", abort);
    socket.off("data", onData).off("end", onClose).off("close", onClose).off("error", onClose);
  }
}

function closed(port: number, cause?: unknown): WrennError {
  return new WrennError("guest_unreachable", `nothing listens on port ${port} of the guest`, { cause });
}

/** Whether the guest is there, and nothing listens on the port. */
export function isRefused(reason: unknown): boolean {
  return reason instanceof Error && "code" in reason && reason.code === "ECONNREFUSED";
}
