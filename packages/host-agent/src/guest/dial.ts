// A TCP connection to any port of a guest, also to one that listens only on the guest's own loopback.
import { connect, type Socket } from "node:net";
import { WrennError } from "@wrenn/core";
import { GATEWAY_PORT } from "@wrenn/envd";

export interface GuestAddress {
  host: string;
  port: number;
  /** The agent's access token. */
  token: string;
  signal: AbortSignal;
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
    if (codeOf(reason) !== "ECONNREFUSED") throw closed(port, reason);
  }
  return await dialLoopback(address);
}

/** By way of the agent, which connects to its loopback. */
async function dialLoopback({ host, port, token, signal }: GuestAddress): Promise<Socket> {
  let socket: Socket;
  try {
    socket = await open(host, GATEWAY_PORT, signal);
  } catch (reason) {
    signal.throwIfAborted();
    throw closed(port, reason);
  }
  socket.write(`${token} ${port}\n`);
  if ((await readAnswer(socket, signal)) === "ok") return socket;
  socket.destroy();
  throw closed(port);
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

/** The gateway's one line, without its end: `ok` or `refused`. Anything else counts as refused. */
async function readAnswer(socket: Socket, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let seen = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    seen = Buffer.concat([seen, chunk]);
    const end = seen.indexOf(10);
    if (end < 0 && seen.length < 64) return;
    socket.pause();
    const rest = seen.subarray(end + 1);
    if (end >= 0 && rest.length > 0) socket.unshift(rest);
    resolve(end < 0 ? "" : seen.toString("latin1", 0, end));
  };
  const onClose = () => resolve("");
  const abort = () => reject(signal.reason);
  const late = setTimeout(() => resolve(""), CONNECT_TIMEOUT_MS);
  socket.on("data", onData).once("close", onClose).once("error", onClose);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await promise;
  } catch (reason) {
    socket.destroy();
    throw reason;
  } finally {
    clearTimeout(late);
    signal.removeEventListener("abort", abort);
    socket.off("data", onData).off("close", onClose).off("error", onClose);
  }
}

function closed(port: number, cause?: unknown): WrennError {
  return new WrennError("guest_unreachable", `nothing listens on port ${port} of the guest`, { cause });
}

function codeOf(reason: unknown): string {
  return reason instanceof Error && "code" in reason ? String(reason.code) : "";
}
