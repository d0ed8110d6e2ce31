// What clients attach to a file: `X-Metadata-<key>: value`, kept in extended attributes.
import { WrennError } from "@wrenn/core";
import { errnoOf, systemError } from "../agent/system-error.ts";

export type Metadata = Readonly<Record<string, string>>;

/** Where it is kept, as E2B's agent does it. */
export const ATTRIBUTE_PREFIX = "user.e2b.";

const HEADER_PREFIX = "x-metadata-";
/** Linux's limit for the name of an attribute is 255. */
const MAX_KEY_BYTES = 255 - ATTRIBUTE_PREFIX.length;
/** Keys and values together: what an ext4 file has room for. */
const MAX_TOTAL_BYTES = 4096;

/**
 * The metadata in a request's headers; keys are lower-case, as header names mean the same in any case.
 * `invalid_argument` for what is not printable ASCII or too long.
 */
export function readMetadata(headers: Headers): Metadata {
  const metadata: Record<string, string> = {};
  let total = 0;
  for (const [name, value] of headers) {
    if (!name.startsWith(HEADER_PREFIX)) continue;
    const key = name.slice(HEADER_PREFIX.length);
    total += key.length + value.length;
    if (key === "" || key.length > MAX_KEY_BYTES) throw invalid(`keys have 1 to ${MAX_KEY_BYTES} characters`);
    if (!/^[\x20-\x7e]*$/.test(value)) throw invalid(`the value of '${key}' is not printable ASCII`);
    if (total > MAX_TOTAL_BYTES)
      throw invalid(`keys and values have at most ${MAX_TOTAL_BYTES} bytes together`);
    metadata[key] = value;
  }
  return metadata;
}

/** The failure to keep metadata: `invalid_argument` where the file system has no attributes, `too_large`. */
export function metadataError(error: unknown, path: string): WrennError {
  const errno = errnoOf(error);
  if (errno === "ENOTSUP" || errno === "EOPNOTSUPP") {
    return invalid(`the file system of '${path}' keeps none`, error);
  }
  if (errno === "ENOSPC" || errno === "E2BIG" || errno === "ERANGE") {
    return new WrennError("too_large", `metadata of '${path}' does not fit`, {
      field: "metadata",
      cause: error,
    });
  }
  return systemError(error, `write metadata of '${path}'`, "metadata");
}

function invalid(why: string, cause?: unknown): WrennError {
  return new WrennError("invalid_argument", `metadata: ${why}`, { field: "metadata", cause });
}
