// A listening Unix socket as a bare descriptor, to be handed to a program that then serves it. Its name can lie where
// that program cannot write, so that whoever connects by the name knows who answers.
import { chmodSync, closeSync, constants, openSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { endianness } from "node:os";
import { basename, dirname } from "node:path";
import { WrennError } from "@wrenn/core";
import { checked, libc } from "../libc/libc.ts";

/** sys/socket.h */
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const BACKLOG = 4;
/** `sun_path` with its NUL, unix(7). */
const SUN_PATH_BYTES = 108;

/**
 * Binds and listens at a path of any length; what was there goes. Only this user may connect. Returns the descriptor,
 * which the caller closes; the name is the caller's to remove.
 */
export function listenUnix(path: string): number {
  rmSync(path, { force: true });
  const fd = checked(libc.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "making a Unix socket");
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
