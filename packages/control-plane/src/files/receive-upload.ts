// A multipart upload on its way to a host, with bounded memory: text part `path`, file part `file`.
import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { Busboy, type BusboyHeaders, type BusboyInstance } from "@fastify/busboy";
import { WriteFileForm } from "@wrenn/api";
import { LIMITS, WrennError } from "@wrenn/core";
import { relayed } from "@wrenn/rpc/bulk";
import { compile } from "../http/validate.ts";
import { Spool } from "./spool.ts";

/** Where the bytes go. Nothing has changed there until `finish()` returns. */
export interface UploadSink {
  write(chunk: Buffer): Promise<void>;
  finish(): Promise<void>;
  abort(): void;
}

export interface UploadOptions {
  /** Refuse a file that comes before its path, instead of keeping it aside. */
  pathFirst: boolean;
  /** Bytes of the file at most. */
  maxBytes: number;
  /** Opens the destination once the path is known. */
  open: (path: string) => UploadSink;
}

const checkPath = compile<{ path: string }>({
  type: "object",
  properties: { path: (WriteFileForm as unknown as { properties: { path: object } }).properties.path },
  required: ["path"],
});

/** Room for a form that is wrong, so that it can be told what is wrong with it. */
const PARTS = 8;

/** Reads the form to its end. Throws what is wrong with it, or what the destination says; then nothing was written. */
export async function receiveUpload(request: IncomingMessage, options: UploadOptions): Promise<void> {
  const upload = new Upload(options);
  try {
    await readForm(request, upload);
    await upload.finish();
  } catch (reason) {
    await upload.abort();
    throw reason;
  }
}

/** The form as it arrives: which parts have come, and where the bytes go. */
class Upload {
  readonly #options: UploadOptions;
  #path: string | undefined;
  #sink: UploadSink | undefined;
  #spool: Spool | undefined;
  #content: Readable | undefined;
  #file: Promise<void> | undefined;

  constructor(options: UploadOptions) {
    this.#options = options;
  }

  field(name: string, value: string, truncated: boolean): void {
    if (name !== "path") throw invalid(name, `there is no part "${name}": send path and file`);
    if (this.#path !== undefined) throw invalid("path", "path must come once");
    if (truncated) throw invalid("path", `path must be at most ${LIMITS.pathBytes} bytes`);
    this.#path = checkPath({ path: value }).path;
  }

  /** Takes the file's bytes; resolves when all of them are handed over. */
  file(content: Readable): Promise<void> {
    if (this.#file !== undefined) throw invalid("file", "file must come once");
    if (this.#path === undefined && this.#options.pathFirst)
      throw invalid("path", "path must come before file");
    this.#content = content;
    this.#file = this.#take(content);
    return this.#file;
  }

  async finish(): Promise<void> {
    await this.#file;
    if (this.#path === undefined) throw invalid("path", "path is needed");
    if (this.#file === undefined) throw invalid("file", "file is needed");
    this.#sink ??= this.#options.open(this.#path);
    if (this.#spool) for await (const chunk of this.#spool.read()) await this.#sink.write(chunk);
    await this.#sink.finish();
    await this.#spool?.close();
  }

  /** Gives everything back. The spool goes last: somebody may still be writing to it. */
  async abort(): Promise<void> {
    this.#sink?.abort();
    this.#content?.destroy();
    await Promise.allSettled([this.#file]);
    await this.#spool?.close();
  }

  async #take(content: Readable): Promise<void> {
    if (this.#path === undefined) this.#spool = await Spool.open();
    else this.#sink = this.#options.open(this.#path);
    const target = this.#sink ?? this.#spool;
    let bytes = 0;
    for await (const chunk of content as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > this.#options.maxBytes) {
        throw new WrennError("too_large", `file must be at most ${this.#options.maxBytes} bytes`, {
          field: "file",
        });
      }
      await target?.write(chunk);
    }
  }
}

/** Feeds the request through the parser until the form has ended, or the first thing that is wrong. */
async function readForm(request: IncomingMessage, upload: Upload): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const parser = openParser(request);
  const guard = <A extends unknown[]>(act: (...args: A) => void) => {
    return (...args: A) => {
      try {
        act(...args);
      } catch (reason) {
        reject(reason);
      }
    };
  };
  const field = guard((name: string, value: string, _: boolean, truncated: boolean) =>
    upload.field(name, value, truncated),
  );
  const file = guard((_: string, content: Readable) => {
    content.on("error", reject);
    upload.file(content).catch(reject);
  });
  parser.on("field", field);
  parser.on("file", file);
  parser.on("partsLimit", () => reject(invalid(undefined, "the form has too many parts")));
  parser.on("error", (cause: unknown) => reject(malformed(cause)));
  parser.on("finish", resolve);
  // A request that was read to its end closes as well.
  const gone = () => {
    if (!request.complete) reject(new WrennError("invalid_argument", "the upload broke off"));
  };
  request.once("close", gone);
  relayed(request).pipe(parser);
  try {
    await promise;
  } catch (reason) {
    throw reason instanceof WrennError ? reason : malformed(reason);
  } finally {
    request.off("close", gone);
    // Paused: with nothing but its bytes' counter behind it, it would flow on.
    request.unpipe(parser).pause();
  }
}

function openParser(request: IncomingMessage): BusboyInstance {
  const type = request.headers["content-type"] ?? "";
  if (!/^multipart\/form-data\s*;/i.test(type)) {
    throw new WrennError("unsupported_media_type", "the content type must be multipart/form-data");
  }
  try {
    return new Busboy({
      headers: request.headers as BusboyHeaders,
      limits: { parts: PARTS, fieldSize: LIMITS.pathBytes, fieldNameSize: 100, headerPairs: 20 },
      isPartAFile: (name) => name === "file",
    });
  } catch (cause) {
    throw malformed(cause);
  }
}

function malformed(cause: unknown): WrennError {
  return new WrennError("invalid_argument", "the body is not valid multipart/form-data", { cause });
}

function invalid(field: string | undefined, message: string): WrennError {
  return new WrennError("invalid_argument", message, { field });
}
