// A listening Unix socket as a bare descriptor, to be handed to a program that then serves it. Its name can lie where
// that program cannot write, so that whoever connects by the name knows who answers.
import { chmodSync, closeSync, constants, fstatSync, openSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { endianness } from "node:os";
import { basename, dirname } from "node:path";
import { WrennError } from "@wrenn/core";
import { checked, libc } from "../libc/libc.ts";

/** sys/socket.h */
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const BACKLOG = 4;
/** `sun_path` with its NUL, unix(7). */
const SUN_PATH_BYTES = 108;

/**
 * Binds and listens at a path of any length; what was there goes. Only this user may connect. Returns the descriptor,
 * which the caller closes; the name is the caller's to remove. `nonBlocking`: for who polls it, blocking by default.
 */
export function listenUnix(path: string, { nonBlocking = false } = {}): number {
  rmSync(path, { force: true });
  const type = SOCK_STREAM | SOCK_CLOEXEC | (nonBlocking ? SOCK_NONBLOCK : 0);
  const fd = checked(libc.socket(AF_UNIX, type, 0), "making a Unix socket");
  try {
    withShortPath(path, (short) => {
      const address = unixAddress(short);
      checked(libc.bind(fd, address, address.length), `binding a socket to ${path}`);
    });
    chmodSync(path, 0o600);
    checked(libc.listen(fd, BACKLOG), `listening on ${path}`);
    return fd;
  } catch (reason) {
    closeSync(fd);
    throw reason;
  }
}

/** Starts connecting to a socket at a path of any length. */
export function connectUnix(path: string): Socket {
  // The name is resolved while connect() is called: the directory need not stay open.
  return withShortPath(path, (short) => connect(short));
}

/** linux/fcntl.h: names a file without opening it. */
const O_PATH = 0o10000000;

/**
 * Starts connecting to a socket that lies in somebody else's directory: its name must be the socket itself. A link, which
 * could lead to any other socket of this machine, is refused. Throws what open(2) says, ENOENT when there is none.
 */
export function connectUntrustedUnix(path: string): Socket {
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  try {
    if (!fstatSync(fd).isSocket()) throw new WrennError("unavailable", `${path} is no socket`);
    return connect(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}

/** The same file by way of an open descriptor of its directory, whose name always fits into a socket address. */
function withShortPath<T>(path: string, use: (short: string) => T): T {
  const directory = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return use(`/proc/self/fd/${directory}/${basename(path)}`);
  } finally {
    closeSync(directory);
  }
}

function unixAddress(path: string): Buffer {
  const name = Buffer.from(path);
  if (name.length >= SUN_PATH_BYTES) {
    throw new WrennError("invalid_argument", `${basename(path)} is too long a name for a socket`);
  }
  const address = Buffer.alloc(2 + SUN_PATH_BYTES);
  if (endianness() === "LE") address.writeUInt16LE(AF_UNIX);
  else address.writeUInt16BE(AF_UNIX);
  name.copy(address, 2);
  return address;
}
