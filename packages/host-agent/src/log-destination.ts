// Where the log goes: a descriptor that may stop taking it, which never holds up the agent.
import { writeSync } from "node:fs";

/** How many times a pipe that is full for the moment is tried again, a millisecond each. */
const BUSY_TRIES = 100;

export interface LogDestination {
  write(line: string): void;
}

/**
 * Writes lines at once. On a full disk, the very moment when the agent is needed to delete something, they are dropped; how
 * many is said by the next line that gets through. (pino's own destination waits for space, in the way of everything.)
 */
export function logDestination(fd: number, write: typeof writeSync = writeSync): LogDestination {
  let dropped = 0;
  return {
    write(line) {
      const notice =
        dropped > 0 ? `${JSON.stringify({ level: 40, msg: "log lines were dropped", dropped })}\n` : "";
      if (writeAll(fd, Buffer.from(notice + line), write)) dropped = 0;
      else dropped++;
    },
  };
}

/** Whether all of it was taken. */
function writeAll(fd: number, bytes: Buffer, write: typeof writeSync): boolean {
  let tries = 0;
  for (let done = 0; done < bytes.length; ) {
    try {
      done += write(fd, bytes, done, bytes.length - done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EAGAIN" || ++tries > BUSY_TRIES) return false;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
  return true;
}
