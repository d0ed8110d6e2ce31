// Two Unix sockets that are connected to each other, as bare descriptors: one end for a program that is started.
import { checked, libc } from "../libc/libc.ts";

/** sys/socket.h */
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;

/** See socketpair(2). Both are the caller's to close; a program inherits one only when told to. */
export function socketPair(): [number, number] {
  const ends = Buffer.alloc(8);
  checked(libc.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "making a pair of sockets");
  const [first = -1, second = -1] = new Int32Array(ends.buffer, ends.byteOffset, 2);
  return [first, second];
}
