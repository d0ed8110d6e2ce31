// How a VMM hands its userfaultfd over: it connects to a Unix socket and sends a list of regions in JSON together with
// the descriptor, once. It keeps the connection open for as long as it lives. Blocks the thread.
import { readlinkSync } from "node:fs";
import { WrennError } from "@wrenn/core";
import {
  acceptUnix,
  closeDescriptor,
  NativeBuffer,
  type PeerCredentials,
  PollSet,
  peerCredentials,
  receiveDescriptors,
} from "@wrenn/linux/uffd";
import { Regions } from "./regions.ts";

/** Largest list of regions, `bytes`. */
const MAX_MESSAGE_BYTES = 64 * 1024;

/** Who may connect. */
export interface ExpectedPeer {
  uid: number;
  /** Undefined = any process of that user. */
  pid?: number | undefined;
}

export interface HandshakeOptions {
  /** Listening. */
  listener: number;
  /** When this can be read, the waiting ends. */
  stop: number;
  peer: ExpectedPeer;
  /** For all of it. */
  timeoutMs: number;
  /** Of the memory that is to be served. */
  pages: number;
}

/** Both descriptors are the caller's. */
export interface Handshake {
  uffd: number;
  /** Hung up when the VMM has gone. */
  connection: number;
  regions: Regions;
  peer: PeerCredentials;
}

/**
 * Waits for the VMM. Undefined when it was told to stop. Throws `deadline_exceeded`, `forbidden` when somebody else
 * connects, `unavailable` when the VMM goes away, `invalid_argument` for what it should not send; nothing stays open.
 */
export function shakeHands(options: HandshakeOptions): Handshake | undefined {
  const deadline = performance.now() + options.timeoutMs;
  const connection = waitFor(options.listener, options.stop, deadline, () => acceptUnix(options.listener));
  if (connection === undefined) return undefined;
  try {
    const peer = peerCredentials(connection);
    assertExpected(peer, options.peer);
    const received = receive(connection, options, deadline);
    if (received === undefined) {
      closeDescriptor(connection);
      return undefined;
    }
    return { ...received, connection, peer };
  } catch (reason) {
    closeDescriptor(connection);
    throw reason;
  }
}

function assertExpected(peer: PeerCredentials, expected: ExpectedPeer): void {
  if (peer.uid === expected.uid && (expected.pid === undefined || peer.pid === expected.pid)) return;
  const wanted =
    expected.pid === undefined ? `user ${expected.uid}` : `process ${expected.pid} of user ${expected.uid}`;
  throw new WrennError(
    "forbidden",
    `process ${peer.pid} of user ${peer.uid} connected where ${wanted} was to hand its memory over`,
  );
}

/** Takes parts until they are a whole list and its descriptor. */
function receive(
  connection: number,
  { stop, pages }: HandshakeOptions,
  deadline: number,
): { uffd: number; regions: Regions } | undefined {
  const buffer = new NativeBuffer(MAX_MESSAGE_BYTES);
  const descriptors: number[] = [];
  let text = Buffer.alloc(0);
  try {
    for (;;) {
      const part = waitFor(connection, stop, deadline, () => receiveDescriptors(connection, buffer));
      if (part === undefined) return closeAll(descriptors);
      descriptors.push(...part.descriptors);
      if (part.bytes === 0)
        throw new WrennError("unavailable", "a VMM went away before it had handed its memory over");
      text = Buffer.concat([text, buffer.bytes.subarray(0, part.bytes)]);
      if (text.length > MAX_MESSAGE_BYTES) throw wrong(`more than ${MAX_MESSAGE_BYTES} bytes`);
      if (descriptors.length > 1) throw wrong("more than one descriptor");
      if (!isWhole(text)) continue;
      const regions = Regions.parse(text.toString("utf8"), pages);
      const [uffd] = descriptors;
      if (uffd === undefined) throw wrong("no descriptor");
      const what = readlinkSync(`/proc/self/fd/${uffd}`);
      if (what !== "anon_inode:[userfaultfd]") throw wrong(`a descriptor of ${what}`);
      return { uffd, regions };
    }
  } catch (reason) {
    closeAll(descriptors);
    throw reason;
  }
}

/** The list has no length before it; its end is its last bracket, as none stands inside of it. */
function isWhole(text: Buffer): boolean {
  const [first] = text;
  return first !== 0x5b || text.includes("]");
}

function closeAll(descriptors: readonly number[]): undefined {
  for (const fd of descriptors) closeDescriptor(fd);
}

/** Tries whenever a descriptor can be read; undefined when told to stop. */
function waitFor<T>(fd: number, stop: number, deadline: number, attempt: () => T | undefined): T | undefined {
  const set = new PollSet([fd, stop]);
  for (;;) {
    const left = Math.ceil(deadline - performance.now());
    if (left <= 0) throw new WrennError("deadline_exceeded", "no VMM handed its memory over in time");
    if (set.wait(left) === 0) continue;
    if (set.found(1) !== 0) return undefined;
    const result = attempt();
    if (result !== undefined) return result;
  }
}

function wrong(what: string): WrennError {
  return new WrennError(
    "invalid_argument",
    `a VMM handed over ${what} instead of a userfaultfd and its regions`,
  );
}
