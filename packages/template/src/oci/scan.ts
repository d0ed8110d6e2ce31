// A look at a layer's archive as it passes: how much it would become, and whether there is anything in it that lies about that.
import { Transform } from "node:stream";
import { GIB, WrennError } from "@wrenn/core";
import { Parser } from "tar";
import { tooLarge } from "./documents.ts";

export interface Allowance {
  /** What may still come, of all layers together. */
  bytes: number;
  entries: number;
}

/** Of all layers of an image. */
export const MAX_IMAGE: Allowance = { bytes: 16 * GIB, entries: 2_000_000 };

/** What an entry takes on disk beside its bytes. */
const ENTRY_BYTES = 1_024;

/**
 * Passes the archive on and counts it against the allowance. A file with holes is refused: an archive of a few bytes may
 * claim any size for it, and whoever unpacks it writes all of that.
 */
export function scanned(left: Allowance): Transform {
  let failure: Error | undefined;
  const fail = (error: Error) => {
    failure ??= error;
  };
  const count = () => {
    left.bytes -= ENTRY_BYTES;
    left.entries--;
    if (left.entries < 0) fail(tooLarge(`an image holds at most ${MAX_IMAGE.entries} files`));
  };
  const holes = () => fail(tooLarge("the image has files with holes, which are not supported in archives"));
  const parser = new Parser({
    onReadEntry: (entry) => {
      if (entry.type === ("SparseFile" as string)) holes();
      count();
      entry.resume();
    },
  });
  // What this parser passes over, another one may read.
  parser.on("ignoredEntry", ({ type }: { type: string }) =>
    fail(new WrennError("invalid_argument", `an archive of the image has a ${type} that is not understood`)),
  );
  parser.on("meta", (text: unknown) => {
    if (String(text).includes("GNU.sparse.")) holes();
  });
  parser.on("error", fail);
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      left.bytes -= chunk.length;
      if (!failure) parser.write(chunk);
      if (left.bytes < 0) fail(tooLarge(`an image unpacks to at most ${MAX_IMAGE.bytes} bytes`));
      done(failure, chunk);
    },
    flush(done) {
      parser.end();
      done(failure);
    },
  });
}
