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

/** Of an archive; one of zeros says nothing. */
const BLOCK_BYTES = 512;

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
  const damaged = (what: string) =>
    fail(
      new WrennError("invalid_argument", `an archive of the image is damaged: ${what}`, {
        field: "fromImage",
      }),
    );
  const parser = new Parser({
    // An entry that this parser takes for broken, and passes over, may be a good one for another.
    onwarn: (code, message) => {
      if (code === "TAR_ENTRY_INVALID") damaged(String(message));
    },
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
  // What begins like this is an archive as it is: otherwise the parser looks for a packed one, as which the name of an
  // archive's first file can make it look, and sees what is in there instead.
  parser.write(Buffer.alloc(BLOCK_BYTES));
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
