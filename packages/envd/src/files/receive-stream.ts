// One file's content from a connection of its own: nothing is framed, so nothing has to be taken apart.
import type { Socket } from "node:net";
import { WrennError } from "@wrenn/core";
import type { StagedFile } from "./staged-file.ts";

/** Length of the mark behind the last byte, `bytes`. */
export const MARK_BYTES = 16;

/**
 * Writes what arrives to `file` until the connection's end, and puts it in place when the last bytes are the mark: a
 * sender that dies ends its connections just as one that has sent everything. Nobody who chooses the content knows the
 * mark. Errors: `invalid_argument` when the content breaks off, and what the kernel refuses; then nothing has changed.
 */
export async function receiveStream(caller: Socket, mark: Buffer, file: StagedFile): Promise<void> {
  let tail = Buffer.alloc(0);
  let received = 0;
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  const brokeOff = () => reject(incomplete());
  const onData = (chunk: Buffer) => {
    try {
      file.write(chunk);
    } catch (error) {
      reject(error);
      return;
    }
    received += chunk.length;
    const last = chunk.length < MARK_BYTES ? Buffer.concat([tail, chunk]) : chunk;
    // Copied: the chunk's memory is the runtime's.
    tail = Buffer.from(last.subarray(-MARK_BYTES));
  };
  caller.on("data", onData).once("end", resolve).once("close", brokeOff).once("error", brokeOff);
  caller.resume();
  try {
    await ended;
    if (!tail.equals(mark)) throw incomplete();
    file.shorten(received - MARK_BYTES);
    file.commit();
  } catch (error) {
    file.abandon();
    throw error;
  } finally {
    caller.off("data", onData).off("end", resolve).off("close", brokeOff).off("error", brokeOff);
  }
}

function incomplete(): WrennError {
  return new WrennError("invalid_argument", "the content ended before it was complete");
}
