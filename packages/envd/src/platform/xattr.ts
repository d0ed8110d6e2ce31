// Extended attributes (xattr(7)), which the runtime does not expose.
import { dlopen, ptr } from "bun:ffi";
import { systemFailure } from "./libc.ts";

const loadLibc = () =>
  dlopen("libc.so.6", {
    fsetxattr: { args: ["i32", "ptr", "ptr", "u64", "i32"], returns: "i32" },
    getxattr: { args: ["ptr", "ptr", "ptr", "u64"], returns: "i64" },
    listxattr: { args: ["ptr", "ptr", "u64"], returns: "i64" },
  }).symbols;
let libc: ReturnType<typeof loadLibc> | undefined;

/** What Linux allows for all names of a file, and for one value (limits.h). */
const MAX_BYTES = 64 * 1024;

/** One buffer for all readings: each is over before the next. */
const buffer = new Uint8Array(MAX_BYTES);

/** Throws with `code` ENOTSUP where the file system has none, ENOSPC where they do not fit. */
export function setAttribute(fd: number, name: string, value: string): void {
  libc ??= loadLibc();
  const bytes = Buffer.from(`${value}\0`);
  if (libc.fsetxattr(fd, ptr(text(name)), ptr(bytes), bytes.length - 1, 0) === -1)
    throw systemFailure("fsetxattr");
}

/** The attributes of a file, links followed, whose names begin with `prefix`, without it. None where that fails. */
export function attributesOf(path: string, prefix: string): Record<string, string> {
  libc ??= loadLibc();
  const file = text(path);
  const length = Number(libc.listxattr(ptr(file), ptr(buffer), buffer.length));
  if (length <= 0) return {};
  const names = Buffer.from(buffer.subarray(0, length)).toString("utf8").split("\0");
  const attributes: Record<string, string> = {};
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    const size = Number(libc.getxattr(ptr(file), ptr(text(name)), ptr(buffer), buffer.length));
    if (size < 0) continue; // Gone meanwhile.
    attributes[name.slice(prefix.length)] = Buffer.from(buffer.subarray(0, size)).toString("utf8");
  }
  return attributes;
}

function text(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}
