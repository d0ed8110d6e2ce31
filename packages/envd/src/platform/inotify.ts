// inotify(7): the kernel's own account of what happens to files.
import { dlopen, ptr } from "bun:ffi";
import { FdReader } from "./fd-reader.ts";
import { systemFailure } from "./libc.ts";

const IN_NONBLOCK = 0o4000;
const IN_CLOEXEC = 0o2000000;

const loadLibc = () =>
  dlopen("libc.so.6", {
    inotify_init1: { args: ["i32"], returns: "i32" },
    inotify_add_watch: { args: ["i32", "ptr", "u32"], returns: "i32" },
    inotify_rm_watch: { args: ["i32", "i32"], returns: "i32" },
  }).symbols;
let libc: ReturnType<typeof loadLibc> | undefined;

/** One inotify instance. */
export class Inotify {
  readonly #fd: number;
  readonly #reader: FdReader;

  /** Throws with `code` EMFILE when the user has as many instances as it may (128 by default). */
  constructor() {
    libc ??= loadLibc();
    this.#fd = checked("inotify_init1", libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    this.#reader = new FdReader(this.#fd);
  }

  /**
   * Watches a path; again for the same file: changes the mask. Returns the watch's number. Throws with `code` ENOENT,
   * ENOTDIR, EACCES, or ENOSPC when there are as many watches as there may be.
   */
  add(path: string, mask: number): number {
    libc ??= loadLibc();
    return checked(
      "inotify_add_watch",
      libc.inotify_add_watch(this.#fd, ptr(Buffer.from(`${path}\0`)), mask),
    );
  }

  /** Ends a watch. It may be gone already. */
  remove(watch: number): void {
    libc?.inotify_rm_watch(this.#fd, watch);
  }

  /** The next events, as the kernel writes them; `undefined` once closed. */
  read(): Promise<Uint8Array | undefined> {
    return this.#reader.read();
  }

  close(): void {
    this.#reader.close();
  }
}

function checked(what: string, result: number): number {
  if (result !== -1) return result;
  throw systemFailure(what);
}
