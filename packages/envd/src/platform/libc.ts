// The C library calls that Bun does not expose. Everything here is synchronous and runs on the calling thread.

import { dlopen, ptr, read } from "bun:ffi";
import { constants } from "node:os";

const { symbols } = dlopen("libc.so.6", {
  pipe2: { args: ["ptr", "i32"], returns: "i32" },
  fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
  ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
  access: { args: ["ptr", "i32"], returns: "i32" },
  clock_settime: { args: ["i32", "ptr"], returns: "i32" },
  syscall: { args: ["i64", "i64", "i64", "i64"], returns: "i64" },
  __errno_location: { args: [], returns: "ptr" },
});

const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const X_OK = 1;
const CLOCK_REALTIME = 0;
const TIOCGPTN = 0x80045430;
const TIOCSWINSZ = 0x5414;

const pair = new Int32Array(2);

/** A pipe that children do not inherit by accident: `[read end, write end]`. */
export function pipe(): [number, number] {
  check("pipe2", symbols.pipe2(ptr(pair), O_CLOEXEC));
  return [pair[0] as number, pair[1] as number];
}

/** Makes reads and writes on the descriptor's open file return EAGAIN where they would wait. */
export function setNonBlocking(fd: number): void {
  check("fcntl(F_SETFL)", symbols.fcntl(fd, F_SETFL, O_NONBLOCK));
}

/** A second descriptor of the same open file. */
export function duplicate(fd: number): number {
  return check("fcntl(F_DUPFD_CLOEXEC)", symbols.fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

/** Number N of the `/dev/pts/N` that belongs to a PTY's master side. */
export function ptyNumber(master: number): number {
  const number = new Uint32Array(1);
  check("ioctl(TIOCGPTN)", symbols.ioctl(master, TIOCGPTN, ptr(number)));
  return number[0] as number;
}

/** Sets a terminal's size; the kernel sends SIGWINCH to its foreground process group. */
export function setWindowSize(master: number, cols: number, rows: number): void {
  const size = new Uint16Array([rows, cols, 0, 0]);
  check("ioctl(TIOCSWINSZ)", symbols.ioctl(master, TIOCSWINSZ, ptr(size)));
}

/** Whether the calling thread's *real* user may execute (search, for a directory) the path. */
export function mayExecute(path: string): boolean {
  return symbols.access(ptr(Buffer.from(`${path}\0`)), X_OK) === 0;
}

/** Steps the machine's clock. */
export function setClock(unixMs: number): void {
  const seconds = Math.floor(unixMs / 1000);
  const time = new BigInt64Array([BigInt(seconds), BigInt(Math.round((unixMs - seconds * 1000) * 1e6))]);
  check("clock_settime", symbols.clock_settime(CLOCK_REALTIME, ptr(time)));
}

/** `ioctl` with a buffer, for requests that this module does not name. */
export function ioctl(fd: number, request: number, argument: Uint8Array | null): void {
  check(
    `ioctl(0x${request.toString(16)})`,
    symbols.ioctl(fd, request, argument === null ? null : ptr(argument)),
  );
}

/**
 * A system call that bypasses the C library's wrapper. Needed for the set*id family: the wrappers change
 * the whole process, the kernel's calls change the calling thread only.
 */
export function rawSyscall(name: string, number: number, a = 0, b = 0, c = 0): void {
  check(name, Number(symbols.syscall(number, a, b, c)));
}

/** The address of a typed array, for {@link rawSyscall}. The array must stay referenced during the call. */
export function address(array: Uint32Array): number {
  return ptr(array);
}

/** What the call that just failed is to throw: as from node's own, with the error's name as `code`. */
export function systemFailure(what: string): Error {
  const location = symbols.__errno_location();
  const number = location === null ? 0 : read.i32(location);
  const code = Object.entries(constants.errno).find(([, value]) => value === number)?.[0] ?? String(number);
  return Object.assign(new Error(`${what} failed: ${code}`), { code });
}

function check(what: string, result: number): number {
  if (result !== -1) return result;
  throw systemFailure(what);
}
