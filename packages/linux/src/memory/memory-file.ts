// A file that exists in memory only, written once and then sealed: nobody who gets its descriptor can change it.
import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync, writeSync } from "node:fs";
import { WrennError } from "@wrenn/core";
import { checked, libc } from "../libc/libc.ts";

/** Unit in which a {@link MemoryFile} is sparse, `bytes`. */
const PAGE_BYTES = 4096;
const ZERO_PAGE = Buffer.alloc(PAGE_BYTES);

/** linux/memfd.h */
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
/** linux/fcntl.h */
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const SEALS = { seal: 1, shrink: 2, grow: 4, write: 8 };
const SIZE_SEALS = SEALS.shrink | SEALS.grow;
/** linux/falloc.h */
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
/** unistd.h */
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/**
 * See memfd_create(2). Its memory counts against whoever writes a page first, and is free again when the last
 * descriptor and the last mapping have gone. Programs that this process starts do not inherit it unless told to.
 */
export class MemoryFile {
  readonly fd: number;
  readonly bytes: number;
  #closed = false;

  private constructor(fd: number, bytes: number) {
    this.fd = fd;
    this.bytes = bytes;
  }

  /** An empty file of `bytes` zeros that takes no memory yet. The name (at most 249 bytes) is seen in `/proc/PID/maps`. */
  static create(name: string, bytes: number): MemoryFile {
    if (!Number.isSafeInteger(bytes) || bytes < 0) {
      throw new WrennError("invalid_argument", `a memory file of ${bytes} bytes cannot be made`);
    }
    const fd = checked(libc.memfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), `making memory file ${name}`);
    try {
      checked(libc.ftruncate(fd, bytes), `giving memory file ${name} ${bytes} bytes`);
      return new MemoryFile(fd, bytes);
    } catch (reason) {
      closeSync(fd);
      throw reason;
    }
  }

  /**
   * The memory file that another process has as its descriptor `fd`. Throws `not_found` when there is none of that size,
   * fixed as by {@link fixSize}: what else that process may have put in its place is not opened, nor what it may cut short.
   */
  static openOf(pid: number, fd: number, bytes: number): MemoryFile {
    const path = `/proc/${pid}/fd/${fd}`;
    let opened: number | undefined;
    try {
      if (!readlinkSync(path).startsWith("/memfd:")) throw new Error("it is no memory file");
      opened = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
      const stat = fstatSync(opened);
      if (!stat.isFile() || stat.size !== bytes) throw new Error(`it is no file of ${bytes} bytes`);
      const seals = checked(libc.fcntl(opened, F_GET_SEALS, "int", 0), "asking for a memory file's seals");
      if ((seals & SIZE_SEALS) !== SIZE_SEALS) throw new Error("its size may change");
      return new MemoryFile(opened, bytes);
    } catch (cause) {
      if (opened !== undefined) closeSync(opened);
      throw new WrennError("not_found", `process ${pid} has no memory file of ${bytes} bytes`, { cause });
    }
  }

  /** Writes at an offset. Whole pages of zeros, counted from `offset`, take no memory. Throws once sealed (EPERM). */
  write(offset: number, data: Uint8Array): void {
    this.#assertInside(offset, data);
    for (const { start, end, zero } of runsOf(data)) {
      if (zero) this.#clear(offset + start, end - start);
      else writeAll(this.fd, data.subarray(start, end), offset + start);
    }
  }

  /** Fills `into` from an offset. Throws `internal` when the file is shorter by now than it was made. */
  read(offset: number, into: Uint8Array): void {
    this.#assertInside(offset, into);
    for (let done = 0; done < into.length; ) {
      const count = readSync(this.fd, into, done, into.length - done, offset + done);
      if (count === 0) throw new WrennError("internal", "a memory file was cut short");
      done += count;
    }
  }

  /**
   * Numbers of the pages that the file holds, sorted; the others are holes, which read as zeros. Somebody may be writing
   * meanwhile: then pages may be missing.
   */
  heldPages(): Uint32Array {
    const pages: number[] = [];
    for (let at = 0; at < this.bytes; ) {
      const start = libc.lseek(this.fd, at, SEEK_DATA);
      if (start < 0) break; // ENXIO: nothing but a hole up to the end
      const end = checked(libc.lseek(this.fd, start, SEEK_HOLE), "looking through a memory file");
      for (let page = Math.floor(start / PAGE_BYTES); page * PAGE_BYTES < end; page++) pages.push(page);
      at = Math.max(end, at + 1);
    }
    return Uint32Array.from(pages);
  }

  /** From here on its size stays as it is; what is in it may still be written. */
  fixSize(): void {
    checked(libc.fcntl(this.fd, F_ADD_SEALS, "int", SIZE_SEALS), "fixing the size of a memory file");
  }

  /** From here on nobody can write, shrink, grow or unseal it: neither through this descriptor nor by opening it again. */
  seal(): void {
    const all = SEALS.seal | SIZE_SEALS | SEALS.write;
    checked(libc.fcntl(this.fd, F_ADD_SEALS, "int", all), "sealing a memory file");
  }

  /** Gives the descriptor back; mappings stay. Closing twice does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.fd);
  }

  #assertInside(offset: number, { length }: Uint8Array): void {
    if (Number.isSafeInteger(offset) && offset >= 0 && offset + length <= this.bytes) return;
    throw new WrennError(
      "invalid_argument",
      `${length} bytes at ${offset} are not within a memory file of ${this.bytes}`,
    );
  }

  #clear(offset: number, bytes: number): void {
    const mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
    checked(libc.fallocate(this.fd, mode, offset, bytes), "clearing a part of a memory file");
  }
}

interface Run {
  start: number;
  end: number;
  zero: boolean;
}

/** Cuts data into runs of pages that are all zero or all not. */
function runsOf(data: Uint8Array): Run[] {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const runs: Run[] = [];
  for (let start = 0; start < bytes.length; start += PAGE_BYTES) {
    const end = Math.min(start + PAGE_BYTES, bytes.length);
    const zero = bytes.subarray(start, end).equals(ZERO_PAGE.subarray(0, end - start));
    const last = runs.at(-1);
    if (last?.zero === zero) last.end = end;
    else runs.push({ start, end, zero });
  }
  return runs;
}

function writeAll(fd: number, data: Uint8Array, position: number): void {
  for (let done = 0; done < data.length; ) {
    done += writeSync(fd, data, done, data.length - done, position + done);
  }
}
