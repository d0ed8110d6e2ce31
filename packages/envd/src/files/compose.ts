// POST /files/compose: one file from several.
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { LIMITS, WrennError } from "@wrenn/core";
import { systemError } from "../agent/system-error.ts";
import type { Metadata } from "./metadata.ts";
import { StagedFile, type WrittenFile } from "./staged-file.ts";

const MAX_SOURCES = 1000;
/** Between two turns for others. */
const CHUNK_BYTES = 1024 * 1024;

export interface ComposeOptions {
  body: unknown;
  resolve: (path: string, field: string) => string;
  owner: { uid: number; gid: number };
  metadata: Metadata;
}

/**
 * Writes the contents of `source_paths`, in that order, to `destination`, which appears when all is there; it may be one
 * of the sources. They stay as they are. Errors as for reading and writing, `invalid_argument` for a wrong body.
 */
export async function composeFiles({
  body,
  resolve,
  owner,
  metadata,
}: ComposeOptions): Promise<WrittenFile[]> {
  const { sources, destination } = parseBody(body);
  const paths = sources.map((path) => resolve(path, "source_paths"));
  const target = resolve(destination, "destination");
  const file = StagedFile.create(target, owner, metadata);
  try {
    for (const path of paths) await append(path, file);
    file.commit();
  } catch (error) {
    file.abandon();
    throw error;
  }
  return [file.written];
}

async function append(path: string, file: StagedFile): Promise<void> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  const fd = open(path);
  try {
    for (;;) {
      const length = readSync(fd, buffer, 0, CHUNK_BYTES, null);
      if (length === 0) return;
      file.write(buffer.subarray(0, length));
      await new Promise((resolve) => setImmediate(resolve));
    }
  } catch (error) {
    throw systemError(error, `read '${path}'`, "source_paths");
  } finally {
    closeSync(fd);
  }
}

function open(path: string): number {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw systemError(error, `read '${path}'`, "source_paths");
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new WrennError("not_a_file", `'${path}' is not a regular file`, { field: "source_paths" });
}

function parseBody(body: unknown): { sources: string[]; destination: string } {
  const { source_paths: sources, destination } = (body ?? {}) as Record<string, unknown>;
  if (
    !Array.isArray(sources) ||
    sources.length === 0 ||
    sources.length > MAX_SOURCES ||
    !sources.every(isPath)
  ) {
    throw invalid("source_paths", `must be 1 to ${MAX_SOURCES} paths`);
  }
  if (!isPath(destination)) throw invalid("destination", "must be a path");
  return { sources, destination };
}

function isPath(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= LIMITS.pathBytes;
}

function invalid(field: string, why: string): WrennError {
  return new WrennError("invalid_argument", `${field} ${why}`, { field });
}
