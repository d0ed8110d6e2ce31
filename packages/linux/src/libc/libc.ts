// The few functions of the C library that Node has no name for, called in this process through an FFI.
import { getSystemErrorName } from "node:util";
import { WrennError } from "@wrenn/core";
import koffi from "koffi";

const library = koffi.load(null);

/** A function of the C library that answers -1 and sets errno when it fails. */
function define(declaration: string): (...args: readonly unknown[]) => number {
  return library.func(declaration) as unknown as (...args: readonly unknown[]) => number;
}

export const libc = {
  memfdCreate: define("int memfd_create(const char *name, unsigned int flags)"),
  /** Called with the type of its last argument before it, as variadic functions are here: `"int", value`. */
  fcntl: define("int fcntl(int fd, int command, ...)"),
  ftruncate: define("int ftruncate(int fd, int64_t bytes)"),
  fallocate: define("int fallocate(int fd, int mode, int64_t offset, int64_t bytes)"),
  lseek: define("int64_t lseek(int fd, int64_t offset, int whence)"),
  mknod: define("int mknod(const char *path, uint32_t mode, uint64_t device)"),
  socket: define("int socket(int domain, int type, int protocol)"),
  socketpair: define("int socketpair(int domain, int type, int protocol, void *ends)"),
  bind: define("int bind(int fd, const void *address, uint32_t bytes)"),
  listen: define("int listen(int fd, int backlog)"),
  accept4: define("int accept4(int fd, void *address, void *bytes, int flags)"),
  getsockopt: define("int getsockopt(int fd, int level, int option, void *value, void *bytes)"),
  recvmsg: define("int64_t recvmsg(int fd, uintptr_t message, int flags)"),
  eventfd: define("int eventfd(unsigned int count, int flags)"),
  close: define("int close(int fd)"),
  /** Memory as plain addresses: these are called a hundred thousand times a second. */
  poll: define("int poll(uintptr_t fds, uint64_t count, int timeoutMs)"),
  read: define("int64_t read(int fd, uintptr_t into, uint64_t bytes)"),
  ioctl: define("int ioctl(int fd, unsigned long request, uintptr_t argument)"),
};

/** Number of the error that the last call in this thread failed with, asm-generic/errno.h. */
export function errno(): number {
  return koffi.errno();
}

/** Where a buffer's bytes lie in this process, as long as it is referred to. Addresses of user space fit into a number. */
export function addressOf(bytes: ArrayBufferView): number {
  return Number(koffi.address(bytes));
}

/** Gives a result back unless it is -1: then throws `no_space` for ENOSPC and ENOMEM, else `internal`, with errno's name. */
export function checked(result: number, what: string): number {
  if (result !== -1) return result;
  const name = getSystemErrorName(-koffi.errno());
  throw new WrennError(name === "ENOSPC" || name === "ENOMEM" ? "no_space" : "internal", `${what}: ${name}`);
}

/** Closes a descriptor that Node does not know of; nothing happens when it is negative. */
export function closeDescriptor(fd: number): void {
  if (fd >= 0) libc.close(fd);
}
