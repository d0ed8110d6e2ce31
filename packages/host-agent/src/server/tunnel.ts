// Raw bytes to and from a port of a guest: GET /raw/v1/sandboxes/{id}/ports/{port} with `Upgrade: wrenn-tcp`.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { WrennError } from "@wrenn/core";
import { relayed } from "@wrenn/rpc/bulk";
import type { Logger } from "pino";
import type { SandboxManager } from "../sandbox/manager.ts";
import { errorBody, logFailure } from "./errors.ts";

const ROUTE = /^\/raw\/v1\/sandboxes\/([^/?]+)\/ports\/(\d{1,5})$/;
const PROTOCOL = "wrenn-tcp";

/** Connections of one sandbox that may be open at once. */
const MAX_TUNNELS = 1_024;

const SWITCHED = `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${PROTOCOL}\r\n\r\n`;

/** Handles upgrades of the server; each tunnel counts as activity while it is open, and ends with its sandbox's run. */
export function tunnels(
  manager: Pick<SandboxManager, "enter">,
  log: Logger,
): (request: IncomingMessage, socket: Duplex, head: Buffer) => void {
  const open = new Map<string, number>();
  return (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    const [, id = "", port = ""] = ROUTE.exec(request.url ?? "") ?? [];
    tunnel(manager, { id, port: Number(port), protocol: request.headers.upgrade, socket, head, open }).catch(
      (reason: unknown) => {
        if (socket.destroyed) return;
        const error = WrennError.from(reason, "the tunnel failed; the host agent's log has the reason");
        const fields = { request_id: request.headers["x-request-id"], sandbox_id: id, port };
        logFailure(log, error, fields, "tunnel refused");
        refuse(socket, error);
      },
    );
  };
}

interface Tunnel {
  id: string;
  port: number;
  protocol: string | undefined;
  socket: Duplex;
  head: Buffer;
  /** Tunnels by sandbox. */
  open: Map<string, number>;
}

/** Throws as long as there is an answer to give; after that the only word is the end of the connection. */
async function tunnel(
  manager: Pick<SandboxManager, "enter">,
  { id, port, protocol, socket, head, open }: Tunnel,
): Promise<void> {
  if (id === "" || protocol !== PROTOCOL) throw new WrennError("not_found", "there is no such tunnel");
  if (port < 1 || port > 65_535) {
    throw new WrennError("invalid_argument", "port must be from 1 to 65535", { field: "port" });
  }
  const { guest, gone, end } = manager.enter(id);
  const count = (open.get(id) ?? 0) + 1;
  open.set(id, count);
  try {
    if (count > MAX_TUNNELS) {
      throw new WrennError("capacity", `sandbox ${id} has ${MAX_TUNNELS} connections open`, {
        retryAfterSec: 1,
      });
    }
    const left = new AbortController();
    socket.once("close", () => left.abort());
    const upstream = await guest.connect(port, AbortSignal.any([gone, left.signal]));
    socket.write(SWITCHED);
    if (head.length > 0) upstream.write(head);
    await splice(socket, upstream, gone);
  } finally {
    end();
    const others = (open.get(id) ?? 1) - 1;
    if (others > 0) open.set(id, others);
    else open.delete(id);
  }
}

/** Carries bytes both ways at the pace of the slower side, until both have ended or one breaks. */
async function splice(a: Duplex, b: Duplex, gone: AbortSignal): Promise<void> {
  const breakOff = () => {
    a.destroy();
    b.destroy();
  };
  gone.addEventListener("abort", breakOff, { once: true });
  if (gone.aborted) breakOff();
  try {
    await Promise.all([pipeline(relayed(a), b), pipeline(relayed(b), a)]);
  } catch {
    // Whoever broke it, the other side sees the same.
    breakOff();
  } finally {
    gone.removeEventListener("abort", breakOff);
  }
}

function refuse(socket: Duplex, error: WrennError): void {
  const body = errorBody(error);
  socket.end(
    `HTTP/1.1 ${error.httpStatus} Refused\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
