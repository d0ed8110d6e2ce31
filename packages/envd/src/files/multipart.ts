// multipart/form-data with files in it.
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Busboy } from "@fastify/busboy";
import { WrennError } from "@wrenn/core";

const PART_NAME = "file";

/** Parts and their headers; a file may have any size. */
const LIMITS = {
  parts: 1024,
  fields: 16,
  fieldSize: 4096,
  headerPairs: 16,
  fileSize: Number.POSITIVE_INFINITY,
};

interface Writable {
  write(bytes: Uint8Array): void;
}

export interface MultipartOptions {
  request: Request;
  /** Its body. */
  chunks: AsyncIterable<Uint8Array>;
  path: string | undefined;
  stage: (path: string) => Writable;
}

/**
 * Writes each part named `file` to what `stage` gives for `path`, or, without that, for the part's own file
 * name with its directories. Resolves when the closing boundary has arrived.
 */
export async function receiveMultipart({ request, chunks, path, stage }: MultipartOptions): Promise<void> {
  const parser = openParser(request);
  let files = 0;
  const receive = (part: string, stream: Readable, filename: string | undefined) => {
    const target = path ?? filename;
    if (part !== PART_NAME || !target) {
      throw invalid(`every part must be named '${PART_NAME}' and have a file name unless path is given`);
    }
    files++;
    const file = stage(target);
    stream.on("data", (chunk: Buffer) => {
      if (!parser.destroyed) attempt(() => file.write(chunk));
    });
  };
  /** The first failure ends the parser, and so the pipeline. */
  const attempt = (step: () => void) => {
    try {
      step();
    } catch (error) {
      parser.destroy(error as Error);
    }
  };
  parser.on("file", (part, stream, filename) => {
    // A part that ends too early fails here as well as in the parser; unheard it would end the agent.
    stream.on("error", (cause) =>
      parser.destroy(invalid("a part of the multipart body is incomplete", cause)),
    );
    attempt(() => receive(part, stream, filename));
  });
  parser.on("partsLimit", () => parser.destroy(invalid(`more than ${LIMITS.parts} parts`)));
  try {
    await pipeline(Readable.from(chunks, { objectMode: false }), parser);
  } catch (error) {
    throw error instanceof WrennError ? error : invalid("the multipart body is malformed", error);
  }
  if (files === 0) throw invalid(`the multipart body has no part named '${PART_NAME}'`);
}

function openParser(request: Request): InstanceType<typeof Busboy> {
  try {
    const type = request.headers.get("content-type") ?? "";
    return new Busboy({ headers: { "content-type": type }, preservePath: true, limits: LIMITS });
  } catch (cause) {
    throw invalid("the multipart content-type has no usable boundary", cause);
  }
}

function invalid(message: string, cause?: unknown): WrennError {
  return new WrennError("invalid_argument", message, { field: "file", cause });
}
