// Where an image's documents and blobs come from.
import type { Readable } from "node:stream";
import type { Descriptor } from "./documents.ts";

export interface ImageSource {
  /** The document that a tag or a digest stands for, at most `MAX_DOCUMENT_BYTES`. Throws `not_found`. */
  manifest(version: string, signal: AbortSignal): Promise<Buffer>;
  /** The bytes of a blob. Nobody has checked them yet. Throws `not_found`. */
  blob(descriptor: Descriptor, signal: AbortSignal): Promise<Readable>;
}
