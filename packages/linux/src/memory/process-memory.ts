// One range of another process's memory, read, written and asked for what is private in it.
import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { WrennError } from "@wrenn/core";
import { isAlive, type ProcessIdentity } from "../process/identity.ts";
import { type Mapping, parseMaps } from "./maps.ts";
import { privatePagesOf } from "./pagemap.ts";

/** Bytes of a page of the machine (x86-64 and most arm64). */
const PAGE_BYTES = 4096;

export interface MemoryRange {
  /** Address in that process, a multiple of 4096. */
  start: number;
  bytes: number;
}

/**
 * Holds `/proc/PID/mem` and `/proc/PID/pagemap` open, which stay with that process's memory even when the id is used
 * again; both need root. When the process has ended, all but {@link close} throw.
 */
export class ProcessMemory {
  readonly bytes: number;
  readonly #start: number;
  readonly #memory: number;
  readonly #pagemap: number;
  #closed = false;

  private constructor(range: MemoryRange, fds: { memory: number; pagemap: number }) {
    this.bytes = range.bytes;
    this.#start = range.start;
    this.#memory = fds.memory;
    this.#pagemap = fds.pagemap;
  }

  /** Throws `not_found` when the process has ended or has no private writable mapping over the whole range. */
  static open(identity: ProcessIdentity, range: MemoryRange): ProcessMemory {
    const fds: number[] = [];
    try {
      const memory = openSync(`/proc/${identity.pid}/mem`, "r+");
      fds.push(memory);
      const pagemap = openSync(`/proc/${identity.pid}/pagemap`, "r");
      fds.push(pagemap);
      const maps = parseMaps(readFileSync(`/proc/${identity.pid}/maps`, "latin1"));
      // Looked at last: it was that process all along.
      if (!isAlive(identity)) throw new Error("the process has ended");
      if (!covers(maps, range)) {
        throw new Error(
          `${range.bytes} bytes at 0x${range.start.toString(16)} are not private writable memory`,
        );
      }
      return new ProcessMemory(range, { memory, pagemap });
    } catch (cause) {
      for (const fd of fds) closeSync(fd);
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new WrennError("not_found", `the memory of process ${identity.pid} cannot be opened: ${why}`, {
        cause,
      });
    }
  }

  /** Sorted numbers, counted from the range's start, of the pages that are not (any more) those of a file. */
  async privatePages(): Promise<Uint32Array> {
    if (this.#closed) throw this.#ended();
    const pages = Math.ceil(this.bytes / PAGE_BYTES);
    const found = await privatePagesOf(this.#pagemap, this.#start / PAGE_BYTES, pages);
    // Closed meanwhile: the descriptor's number may have been another file's.
    if (this.#closed || found === undefined) throw this.#ended();
    return found;
  }

  /** Fills `into` with what stands at an offset from the range's start. */
  read(offset: number, into: Uint8Array): void {
    this.#assertInside(offset, into.length);
    for (let done = 0; done < into.length; ) {
      const count = readSync(this.#memory, into, done, into.length - done, this.#start + offset + done);
      if (count === 0) throw this.#ended();
      done += count;
    }
  }

  write(offset: number, from: Uint8Array): void {
    this.#assertInside(offset, from.length);
    for (let done = 0; done < from.length; ) {
      const count = writeSync(this.#memory, from, done, from.length - done, this.#start + offset + done);
      if (count === 0) throw this.#ended();
      done += count;
    }
  }

  /** Closing twice does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#memory);
    closeSync(this.#pagemap);
  }

  #assertInside(offset: number, length: number): void {
    if (this.#closed) throw this.#ended();
    if (Number.isSafeInteger(offset) && offset >= 0 && offset + length <= this.bytes) return;
    throw new WrennError("invalid_argument", `${length} bytes at ${offset} are not within ${this.bytes}`);
  }

  #ended(): WrennError {
    return new WrennError("unavailable", "the process whose memory is accessed has ended");
  }
}

/** Whether private writable mappings that follow each other hold the whole range. `maps` is sorted by address. */
function covers(maps: readonly Mapping[], range: MemoryRange): boolean {
  let next = range.start;
  const end = range.start + range.bytes;
  for (const mapping of maps) {
    if (next >= end) break;
    if (mapping.end <= next) continue;
    if (mapping.start > next || !mapping.permissions.startsWith("rw") || mapping.permissions[3] !== "p") {
      return false;
    }
    next = mapping.end;
  }
  return next >= end;
}
