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
  bind: define("int bind(int fd, const void *address, uint32_t bytes)"),
  listen: define("int listen(int fd, int backlog)"),
};

/** Gives a result back unless it is -1: then throws `no_space` for ENOSPC and ENOMEM, else `internal`, with errno's name. */
export function checked(result: number, what: string): number {
  if (result !== -1) return result;
  const name = getSystemErrorName(-koffi.errno());
  throw new WrennError(name === "ENOSPC" || name === "ENOMEM" ? "no_space" : "internal", `${what}: ${name}`);
}
