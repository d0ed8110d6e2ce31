// A file under a temporary name until all of it is there.
import {
  closeSync,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readlinkSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, posix } from "node:path";
import { WrennError } from "@wrenn/core";
import { systemError } from "../agent/system-error.ts";
import { makeParents } from "../filesystem/parents.ts";
import { setAttribute } from "../platform/xattr.ts";
import { ATTRIBUTE_PREFIX, type Metadata, metadataError } from "./metadata.ts";
import { temporaryName } from "./temporary-name.ts";

const NEW_FILE_MODE = 0o644;
/** Of an existing file's mode, what is kept: set-user-id and set-group-id go, as with any write by another. */
const KEPT_MODE = 0o1777;
/** Links that are followed to the file to be replaced (the kernel's own limit). */
const MAX_LINKS = 40;

interface Owner {
  uid: number;
  gid: number;
}

/** A file that was written, as the protocol tells it. */
export interface WrittenFile {
  path: string;
  name: string;
  type: "file";
  metadata?: Metadata;
}

interface StagedFileOptions {
  path: string;
  target: string;
  temporary: string;
  owner: Owner;
  metadata: Metadata;
}

/**
 * Receives the new content of `path` in a file beside it. {@link commit} puts it in place in one step
 * (rename), {@link abandon} leaves everything as it was, but for parent directories that were made.
 * No fsync: a guest's disk and page cache live and are snapshotted together.
 */
export class StagedFile {
  readonly #target: string;
  readonly #temporary: string;
  readonly #fd: number;
  readonly #owner: Owner;
  /** What a client gets to know about it. */
  readonly written: WrittenFile;
  #open = true;

  private constructor({ path, target, temporary, owner, metadata }: StagedFileOptions) {
    this.#target = target;
    this.#temporary = temporary;
    this.#owner = owner;
    const extra = Object.keys(metadata).length === 0 ? {} : { metadata };
    this.written = { path, name: basename(target), type: "file", ...extra };
    this.#fd = openSync(temporary, "wx", 0o600);
  }

  /** The metadata takes the place of what the file had. Errors: `not_a_file` when something other than a file has that name, and what the kernel refuses. */
  static create(path: string, owner: Owner, metadata: Metadata): StagedFile {
    let file: StagedFile;
    try {
      makeParents(path, owner);
      const target = followLinks(path);
      const upload = checkReplaceable(target) === undefined ? "new" : "replacing";
      const temporary = `${dirname(target)}/${temporaryName(upload)}`;
      file = new StagedFile({ path, target, temporary, owner, metadata });
    } catch (error) {
      throw systemError(error, `write '${path}'`, "path");
    }
    file.#attach(metadata);
    return file;
  }

  /** Appends. Synchronous: a write into the page cache is quicker than handing it to another thread. */
  write(bytes: Uint8Array): void {
    if (!this.#open) throw new Error("the file is closed");
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
    } catch (error) {
      throw systemError(error, `write '${this.#target}'`, "path");
    }
  }

  /** Leaves the first `size` bytes of what was written. */
  shorten(size: number): void {
    try {
      ftruncateSync(this.#fd, size);
    } catch (error) {
      throw systemError(error, `write '${this.#target}'`, "path");
    }
  }

  commit(): void {
    try {
      const existing = checkReplaceable(this.#target);
      if (process.geteuid?.() === 0) fchownSync(this.#fd, this.#owner.uid, this.#owner.gid);
      fchmodSync(this.#fd, existing === undefined ? NEW_FILE_MODE : existing.mode & KEPT_MODE);
      renameSync(this.#temporary, this.#target);
      this.#close();
    } catch (error) {
      this.abandon();
      throw systemError(error, `write '${this.#target}'`, "path");
    }
  }

  /** Removes what was received. After a commit: does nothing. Never throws: what led to it is what is to be told. */
  abandon(): void {
    if (!this.#open) return;
    this.#close();
    try {
      unlinkSync(this.#temporary);
    } catch {
      // Its directory has gone, with it or before it.
    }
  }

  #attach(metadata: Metadata): void {
    try {
      for (const [key, value] of Object.entries(metadata)) {
        setAttribute(this.#fd, ATTRIBUTE_PREFIX + key, value);
      }
    } catch (error) {
      this.abandon();
      throw metadataError(error, this.#target);
    }
  }

  #close(): void {
    this.#open = false;
    closeSync(this.#fd);
  }
}

/** Where a path's symbolic links lead, also when nothing is there yet. */
function followLinks(path: string): string {
  let target = path;
  for (let count = 0; count <= MAX_LINKS; count++) {
    if (!lstatSync(target, { throwIfNoEntry: false })?.isSymbolicLink()) return target;
    target = posix.resolve(dirname(target), readlinkSync(target));
  }
  throw new WrennError("invalid_argument", `'${path}' is a loop of symbolic links`, { field: "path" });
}

function checkReplaceable(path: string): Stats | undefined {
  const existing = statSync(path, { throwIfNoEntry: false });
  if (existing !== undefined && !existing.isFile()) {
    throw new WrennError("not_a_file", `'${path}' exists and is not a regular file`, { field: "path" });
  }
  return existing;
}
