// A log file that cannot grow without bound.
import { closeSync, fstatSync, openSync, readSync, renameSync, writeSync } from "node:fs";
import { MIB } from "@wrenn/core";

export interface RotationOptions {
  /** Size at which a new file is begun. Default 8 MiB. */
  maxBytes?: number;
  /** Old files that are kept, as `path.1` (newest) and up. Default 3. */
  keep?: number;
}

/**
 * Appends to `path`, and begins a new file when it is full. A disk that takes no more costs log lines, never
 * the process that writes them: failures to write are swallowed.
 */
export class RotatingLog {
  readonly path: string;
  readonly #maxBytes: number;
  readonly #keep: number;
  #fd: number;
  #size: number;

  constructor(path: string, { maxBytes = 8 * MIB, keep = 3 }: RotationOptions = {}) {
    this.path = path;
    this.#maxBytes = maxBytes;
    this.#keep = keep;
    this.#fd = openSync(path, "a", 0o640);
    this.#size = fstatSync(this.#fd).size;
  }

  write(chunk: Buffer | string): void {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    try {
      if (this.#size > 0 && this.#size + bytes.length > this.#maxBytes) this.#rotate();
      this.#size += writeSync(this.#fd, bytes);
    } catch {
      // Nothing sensible can be said about a log that cannot be written.
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #rotate(): void {
    for (let age = this.#keep - 1; age >= 0; age--) {
      const from = age === 0 ? this.path : `${this.path}.${age}`;
      try {
        renameSync(from, `${this.path}.${age + 1}`);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
    const next = openSync(this.path, "a", 0o640);
    closeSync(this.#fd);
    this.#fd = next;
    this.#size = 0;
  }
}

/** The last `lines` lines of a file, from its last 64 KiB; empty when there is no such file. */
export function tailOf(path: string, lines: number): string {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return "";
  }
  try {
    const size = fstatSync(fd).size;
    const buffer = Buffer.alloc(Math.min(size, 64 * 1024));
    readSync(fd, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString().trimEnd().split("\n").slice(-lines).join("\n");
  } finally {
    closeSync(fd);
  }
}
