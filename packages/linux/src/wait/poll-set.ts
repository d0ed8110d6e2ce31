// Waiting for several descriptors in a thread that does nothing else.
import { ERRNO } from "../libc/errno.ts";
import { checked, errno, libc } from "../libc/libc.ts";
import { NativeBuffer } from "../libc/native-buffer.ts";

/** poll.h */
export const POLL = { in: 1, error: 8, hangUp: 16 } as const;

/** `struct pollfd`: fd i32, events i16, revents i16. */
const ENTRY_BYTES = 8;

/** A fixed set of descriptors for poll(2), which **blocks the thread**. Nothing is allocated once it is made. */
export class PollSet {
  readonly #entries: NativeBuffer;
  readonly #results: Uint32Array;
  readonly #count: number;

  /** Each is waited for until it can be read, or is closed on the other side. */
  constructor(fds: readonly number[]) {
    this.#count = fds.length;
    this.#entries = new NativeBuffer(fds.length * ENTRY_BYTES);
    this.#results = this.#entries.words();
    for (const [i, fd] of fds.entries()) {
      this.#entries.bytes.writeInt32LE(fd, i * ENTRY_BYTES);
      this.#entries.bytes.writeInt16LE(POLL.in, i * ENTRY_BYTES + 4);
    }
  }

  /** How many are ready: 0 when the time, in whole milliseconds, is up or a signal came; -1 waits without end. */
  wait(timeoutMs: number): number {
    const ready = libc.poll(this.#entries.address, this.#count, timeoutMs);
    if (ready >= 0) return ready;
    if (errno() !== ERRNO.EINTR) checked(-1, "waiting for descriptors");
    for (let i = 0; i < this.#count; i++) this.#results[i * 2 + 1] = POLL.in;
    return 0;
  }

  /** From here on one of them is not waited for any more. */
  ignore(index: number): void {
    this.#entries.bytes.writeInt32LE(-1, index * ENTRY_BYTES);
    this.#results[index * 2 + 1] = POLL.in;
  }

  /** Bits of {@link POLL} for one of them, as the last wait found it. */
  found(index: number): number {
    return (this.#results[index * 2 + 1] as number) >>> 16;
  }
}
