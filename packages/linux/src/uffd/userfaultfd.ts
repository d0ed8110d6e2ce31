// A userfaultfd that another process registered memory with: its events, and the ways to answer them.
import { ERRNO } from "../libc/errno.ts";
import { checked, errno, libc } from "../libc/libc.ts";
import { NativeBuffer } from "../libc/native-buffer.ts";
import { EVENT, MESSAGE, REQUEST } from "./abi.ts";

/** linux/fcntl.h */
const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;

/** Messages that one read takes. */
const BATCH = 64;
const HIGH = 2 ** 32;

/** Where the arguments of the requests lie in one buffer, in 32-bit words. */
const ARGUMENT_WORDS = 10;

/**
 * See userfaultfd(2) and ioctl_userfaultfd(2). Addresses are those of the other process. Nothing is allocated once it is
 * made: a fault costs a read and a request. The descriptor stays its owner's.
 */
export class Userfaultfd {
  readonly fd: number;
  readonly #messages = new NativeBuffer(BATCH * MESSAGE.bytes);
  readonly #words = this.#messages.words();
  readonly #argument = new NativeBuffer(ARGUMENT_WORDS * 4);
  readonly #fields = this.#argument.words();

  constructor(fd: number) {
    this.fd = fd;
    const flags = checked(libc.fcntl(fd, F_GETFL, "int", 0), "asking for a userfaultfd's flags");
    checked(libc.fcntl(fd, F_SETFL, "int", flags | O_NONBLOCK), "making a userfaultfd non-blocking");
  }

  /** Takes what has happened; the number of messages, 0 when there is none. The last ones are overwritten. */
  read(): number {
    const count = libc.read(this.fd, this.#messages.address, this.#messages.bytes.length);
    if (count >= 0) return count / MESSAGE.bytes;
    const reason = errno();
    if (reason === ERRNO.EAGAIN || reason === ERRNO.EINTR) return 0;
    return checked(-1, "reading the events of a userfaultfd");
  }

  /** One of {@link EVENT}. */
  event(message: number): number {
    return (this.#words[message * MESSAGE.words] as number) & 0xff;
  }

  /** Of a fault: its address. Of a removed or unmapped range: its first address. */
  address(message: number): number {
    const at = message * MESSAGE.words + (this.event(message) === EVENT.pageFault ? 4 : 2);
    return (this.#words[at] as number) + (this.#words[at + 1] as number) * HIGH;
  }

  /** Of a removed or unmapped range: the address after it. */
  end(message: number): number {
    const at = message * MESSAGE.words + 4;
    return (this.#words[at] as number) + (this.#words[at + 1] as number) * HIGH;
  }

  /**
   * Puts bytes from an address of this process where there are no pages yet, and wakes who waits for them. The number of
   * bytes, which may be fewer than asked for, or an errno as a negative number when there is not one page.
   */
  copy(to: number, from: number, bytes: number): number {
    this.#set(0, to);
    this.#set(2, from);
    this.#set(4, bytes);
    this.#set(6, 0);
    this.#set(8, 0);
    return this.#request(REQUEST.copy, 8, bytes);
  }

  /** The same with zeros, which take no memory until they are written to. */
  zero(at: number, bytes: number): number {
    this.#set(0, at);
    this.#set(2, bytes);
    this.#set(4, 0);
    this.#set(6, 0);
    return this.#request(REQUEST.zeroPage, 6, bytes);
  }

  /** Lets those who wait for pages look again. */
  wake(at: number, bytes: number): void {
    this.#set(0, at);
    this.#set(2, bytes);
    checked(libc.ioctl(this.fd, REQUEST.wake, this.#argument.address), "waking who waits for a page");
  }

  #request(request: number, result: number, bytes: number): number {
    if (libc.ioctl(this.fd, request, this.#argument.address) === 0) return bytes;
    const reason = errno();
    // A part was done: the field holds how much, as a signed number of 64 bits.
    const low = this.#fields[result] as number;
    const high = this.#fields[result + 1] as number;
    return high < 2 ** 31 && low + high > 0 ? low + high * HIGH : -reason;
  }

  #set(word: number, value: number): void {
    this.#fields[word] = value;
    this.#fields[word + 1] = value / HIGH;
  }
}
