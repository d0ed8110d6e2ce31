// Closing TCP connections that the server has open.

import { dlopen, ptr } from "bun:ffi";
import { readdirSync, readlinkSync } from "node:fs";

/** Remote end of a connection. */
export interface Peer {
  address: string;
  port: number;
}

const AF_INET = 2;
const SOL_SOCKET = 1;
const SO_LINGER = 13;
const SHUT_RDWR = 2;
/** sizeof(struct sockaddr_storage). */
const ADDRESS_BYTES = 128;

/** Loaded on the first use: a guest that is never frozen has no need of it. */
const loadLibc = () =>
  dlopen("libc.so.6", {
    getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    getpeername: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
    shutdown: { args: ["i32", "i32"], returns: "i32" },
  }).symbols;
let libc: ReturnType<typeof loadLibc> | undefined;

/**
 * Closes this process's connections on local TCP ports, but for the one to `keep`; returns how many. The server
 * sees each of them end and cleans up as after any lost connection.
 *
 * `finish`: what was written is still delivered. `reset`: nothing is sent or awaited any more, for connections whose
 * other end belongs to another time.
 */
export function closeConnections(
  localPorts: readonly number[],
  keep: Peer | null,
  how: "finish" | "reset",
): number {
  libc ??= loadLibc();
  const linger = new Int32Array([1, 0]);
  let closed = 0;
  for (const fd of socketDescriptors()) {
    const local = endpoint(libc.getsockname, fd);
    const peer = endpoint(libc.getpeername, fd);
    if (local === undefined || peer === undefined) continue;
    if (!localPorts.includes(local.port) || isSame(peer, keep)) continue;
    if (how === "reset") libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, ptr(linger), linger.byteLength);
    libc.shutdown(fd, SHUT_RDWR);
    closed++;
  }
  return closed;
}

function socketDescriptors(): number[] {
  return readdirSync("/proc/self/fd").flatMap((entry) => {
    try {
      return readlinkSync(`/proc/self/fd/${entry}`).startsWith("socket:") ? [Number(entry)] : [];
    } catch {
      return []; // The descriptor of the listing itself.
    }
  });
}

interface Endpoint {
  port: number;
  /** For IPv4. */
  address: string | undefined;
}

/** One end of an internet socket (ip(7)); nothing for other sockets, and for an end that does not exist. */
function endpoint(
  call: (fd: number, address: number, length: number) => number,
  fd: number,
): Endpoint | undefined {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  const length = new Uint32Array([ADDRESS_BYTES]);
  if (call(fd, ptr(bytes), ptr(length)) !== 0 || (length[0] ?? 0) < 16) return undefined;
  const view = new DataView(bytes.buffer);
  const isV4 = view.getUint16(0, true) === AF_INET;
  return { port: view.getUint16(2), address: isV4 ? bytes.subarray(4, 8).join(".") : undefined };
}

function isSame(peer: Endpoint, keep: Peer | null): boolean {
  if (peer.port !== keep?.port) return false;
  return peer.address === undefined || keep.address.replace(/^::ffff:/, "") === peer.address;
}
