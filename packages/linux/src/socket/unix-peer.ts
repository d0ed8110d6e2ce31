// One connection to a Unix socket as a bare descriptor, for threads that block: who is there, and what they hand over.
import { ERRNO } from "../libc/errno.ts";
import { checked, errno, libc } from "../libc/libc.ts";
import { NativeBuffer } from "../libc/native-buffer.ts";

/** asm-generic/socket.h, linux/socket.h */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SCM_RIGHTS = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x4000_0000;

/** `struct ucred`: pid, uid, gid; 32 bits each. */
const UCRED_BYTES = 12;
/** `struct msghdr` on 64-bit machines: name, its length, iov, number of iov, control, its length, flags. */
const MSGHDR_BYTES = 56;
/** `struct iovec`: address, length. */
const IOVEC_BYTES = 16;
/** `struct cmsghdr` before its data: length, level, type. */
const CMSG_BYTES = 16;
/** Descriptors that one message may carry; the kernel closes what does not fit. */
const MAX_DESCRIPTORS = 8;

/** Who connected, as they were at that moment; unix(7). */
export interface PeerCredentials {
  pid: number;
  uid: number;
  gid: number;
}

/** A part of what the peer sends. */
export interface Received {
  /** 0 = it has closed the connection. */
  bytes: number;
  /** The caller's from here on. */
  descriptors: number[];
}

/** Takes a connection that waits; undefined when there is none (any more). The caller closes it. */
export function acceptUnix(listener: number): number | undefined {
  const fd = libc.accept4(listener, null, null, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) return fd;
  const reason = errno();
  if (reason === ERRNO.EAGAIN || reason === ERRNO.EINTR || reason === ERRNO.ECONNABORTED) return undefined;
  return checked(-1, "accepting a connection");
}

export function peerCredentials(connection: number): PeerCredentials {
  const value = Buffer.alloc(UCRED_BYTES);
  const length = Buffer.alloc(4);
  length.writeInt32LE(UCRED_BYTES);
  const found = libc.getsockopt(connection, SOL_SOCKET, SO_PEERCRED, value, length);
  checked(found, "asking who connected to a socket");
  return { pid: value.readInt32LE(0), uid: value.readUInt32LE(4), gid: value.readUInt32LE(8) };
}

/** Receives bytes into a buffer, and the descriptors that came with them. Undefined when nothing waits. */
export function receiveDescriptors(connection: number, into: NativeBuffer): Received | undefined {
  const control = new NativeBuffer(CMSG_BYTES + MAX_DESCRIPTORS * 4);
  // Its one part lies behind it, and so stays for as long as it.
  const message = new NativeBuffer(MSGHDR_BYTES + IOVEC_BYTES);
  message.bytes.writeBigUInt64LE(BigInt(into.address), MSGHDR_BYTES);
  message.bytes.writeBigUInt64LE(BigInt(into.bytes.length), MSGHDR_BYTES + 8);
  message.bytes.writeBigUInt64LE(BigInt(message.address + MSGHDR_BYTES), 16);
  message.bytes.writeBigUInt64LE(1n, 24);
  message.bytes.writeBigUInt64LE(BigInt(control.address), 32);
  message.bytes.writeBigUInt64LE(BigInt(control.bytes.length), 40);
  const bytes = libc.recvmsg(connection, message.address, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (bytes < 0) {
    const reason = errno();
    if (reason === ERRNO.EAGAIN || reason === ERRNO.EINTR) return undefined;
    checked(-1, "receiving from a Unix socket");
  }
  const filled = Number(message.bytes.readBigUInt64LE(40));
  return { bytes, descriptors: descriptorsIn(control.bytes.subarray(0, filled)) };
}

/** Control messages follow each other, each at a multiple of 8 bytes; cmsg(3). */
function descriptorsIn(control: Buffer): number[] {
  const found: number[] = [];
  for (let at = 0; at + CMSG_BYTES <= control.length; ) {
    const length = Number(control.readBigUInt64LE(at));
    const isRights =
      control.readInt32LE(at + 8) === SOL_SOCKET && control.readInt32LE(at + 12) === SCM_RIGHTS;
    for (let fd = at + CMSG_BYTES; isRights && fd + 4 <= at + length; fd += 4)
      found.push(control.readInt32LE(fd));
    at += Math.max(CMSG_BYTES, Math.ceil(length / 8) * 8);
  }
  return found;
}
