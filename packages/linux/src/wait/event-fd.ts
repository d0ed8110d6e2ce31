// A descriptor that one thread waits for and another makes readable.
import { writeSync } from "node:fs";
import { checked, libc } from "../libc/libc.ts";

/** sys/eventfd.h */
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

/** See eventfd(2). Descriptors belong to the process: its number is valid in every worker thread. */
export class EventFd implements Disposable {
  readonly fd: number = checked(libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "making an eventfd");
  #closed = false;

  /** From here on it can be read. */
  signal(): void {
    const one = Buffer.alloc(8);
    one[0] = 1;
    if (!this.#closed) writeSync(this.fd, one);
  }

  /** Closing twice does nothing. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    libc.close(this.fd);
  }
}
