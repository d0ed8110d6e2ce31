// The calls that a VMM makes to have its memory filled by somebody else, made by a test's process.
import { openSync } from "node:fs";
import { getSystemErrorName } from "node:util";
import koffi from "koffi";

const library = koffi.load(null);
type Call = (...args: readonly (number | bigint | null | Buffer)[]) => number;
const define = (declaration: string) => library.func(declaration) as unknown as Call;

const calls = {
  syscall: define("int64_t syscall(int64_t number, int64_t flags)"),
  ioctl: define("int ioctl(int fd, unsigned long request, void *argument)"),
  mmap: define(
    "uintptr_t mmap(uintptr_t near, uint64_t bytes, int access, int flags, int fd, int64_t offset)",
  ),
  munmap: define("int munmap(uintptr_t at, uint64_t bytes)"),
  madvise: define("int madvise(uintptr_t at, uint64_t bytes, int advice)"),
  memcmp: define("int memcmp(uintptr_t a, uintptr_t b, uint64_t bytes)"),
  compare: define("int memcmp(uintptr_t a, const void *b, uint64_t bytes)"),
  memcpy: define("uintptr_t memcpy(uintptr_t to, const void *from, uint64_t bytes)"),
  socket: define("int socket(int domain, int type, int protocol)"),
  connect: define("int connect(int fd, const void *address, uint32_t bytes)"),
  sendmsg: define("int64_t sendmsg(int fd, const void *message, int flags)"),
  fcntl: define("int fcntl(int fd, int command, int argument)"),
  close: define("int close(int fd)"),
};

const SYS_USERFAULTFD = 323;
const NON_BLOCKING = 0o4000;
const CLOSE_ON_EXEC = 0o2000000;
const UFFDIO_API = 0xc018aa3f;
const UFFDIO_REGISTER = 0xc020aa00;
const UFFD_API = 0xaan;
/** UFFD_FEATURE_EVENT_REMOVE */
const EVENT_REMOVE = 1n << 3n;
const REGISTER_MISSING = 1n;
const F_SETFL = 4;
const MADV_DONTNEED = 4;
const MADV_DONTFORK = 10;
const READ = 1;
const READ_WRITE = 3;
const MAP_SHARED = 1;
const PRIVATE_ANONYMOUS = 0x4022;

export function makeUserfaultfd(reportRemovals: boolean): number {
  const fd = checked(calls.syscall(SYS_USERFAULTFD, NON_BLOCKING | CLOSE_ON_EXEC), "userfaultfd");
  const api = words(UFFD_API, reportRemovals ? EVENT_REMOVE : 0n, 0n);
  checked(calls.ioctl(fd, UFFDIO_API, api), "UFFDIO_API");
  return fd;
}

/** Memory in which every first touch of a page waits for an answer. */
export function makeRegion(uffd: number, bytes: number): number {
  const at = mapped(calls.mmap(0, bytes, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0));
  const range = words(BigInt(at), BigInt(bytes), REGISTER_MISSING, 0n);
  checked(calls.ioctl(uffd, UFFDIO_REGISTER, range), "UFFDIO_REGISTER");
  return at;
}

/** A file's bytes, to compare with. */
export function mapFile(path: string, bytes: number): number {
  const fd = openSync(path, "r");
  const at = mapped(calls.mmap(0, bytes, READ, MAP_SHARED, fd, 0));
  calls.close(fd);
  return at;
}

export function unmap(at: number, bytes: number): void {
  checked(calls.munmap(at, bytes), "munmap");
}

/** Waits until somebody has read of it, where removals are reported. */
export function giveBack(at: number, bytes: number): void {
  checked(calls.madvise(at, bytes, MADV_DONTNEED), "madvise");
}

/** Gives a part of a mapping another property than the rest has. */
export function divide(at: number, bytes: number): void {
  checked(calls.madvise(at, bytes, MADV_DONTFORK), "madvise");
}

export function areEqual(a: number, b: number, bytes: number): boolean {
  return calls.memcmp(a, b, bytes) === 0;
}

export function holds(at: number, wanted: Buffer): boolean {
  return calls.compare(at, wanted, wanted.length) === 0;
}

export function write(at: number, bytes: Buffer): void {
  calls.memcpy(at, bytes, bytes.length);
}

export function connectTo(path: string): number {
  const fd = checked(calls.socket(1, 1 | CLOSE_ON_EXEC, 0), "socket");
  const address = Buffer.alloc(110);
  address.writeUInt16LE(1);
  address.write(path, 2);
  checked(calls.connect(fd, address, address.length), "connect");
  return fd;
}

/** sendmsg(2) with descriptors beside the bytes. */
export function send(connection: number, text: string, descriptors: readonly number[]): void {
  const bytes = Buffer.from(text);
  const part = words(koffi.address(bytes), BigInt(bytes.length));
  const control = Buffer.alloc(16 + Math.ceil(descriptors.length / 2) * 8);
  control.writeBigUInt64LE(BigInt(16 + descriptors.length * 4), 0);
  control.writeInt32LE(1, 8);
  control.writeInt32LE(1, 12);
  for (const [i, fd] of descriptors.entries()) control.writeInt32LE(fd, 16 + i * 4);
  const hasControl = descriptors.length > 0;
  const message = words(
    0n,
    0n,
    koffi.address(part),
    1n,
    hasControl ? koffi.address(control) : 0n,
    hasControl ? BigInt(control.length) : 0n,
    0n,
  );
  checked(calls.sendmsg(connection, message, 0x4000), "sendmsg");
}

/** Takes O_NONBLOCK from it, for everybody who shares it. */
export function makeBlocking(fd: number): void {
  checked(calls.fcntl(fd, F_SETFL, 0), "fcntl");
}

export function close(fd: number): void {
  calls.close(fd);
}

function words(...values: readonly bigint[]): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(values.length * 8));
  for (const [i, value] of values.entries()) bytes.writeBigUInt64LE(value, i * 8);
  return bytes;
}

function mapped(at: number): number {
  if (at > Number.MAX_SAFE_INTEGER) throw new Error(`mmap: ${getSystemErrorName(-koffi.errno())}`);
  return at;
}

function checked(result: number, what: string): number {
  if (result >= 0) return result;
  throw new Error(`${what}: ${getSystemErrorName(-koffi.errno())}`);
}
