// GET /files: a file's content.
import { type BigIntStats, closeSync, constants, fstatSync, openSync, read } from "node:fs";
import { promisify } from "node:util";
import { WrennError } from "@wrenn/core";
import { errnoOf, systemError } from "../agent/system-error.ts";
import { chooseEncoding, type Encoding } from "./accept-encoding.ts";
import { evaluateConditions } from "./conditions.ts";

const CHUNK_BYTES = 64 * 1024;

const HEADERS = {
  "content-type": "application/octet-stream",
  "content-disposition": "inline",
  "accept-ranges": "bytes",
  vary: "accept-encoding",
};

const readAsync = promisify(read);

export interface DownloadOptions {
  path: string;
  headers: Headers;
  /** A body that the server sends from the file, all of it or the part that `Range` asks for. */
  fileBody: (path: string) => Blob;
}

/**
 * The file as a response. The server answers for a file body itself: without copying (sendfile), with Content-Length,
 * and a part of it for `Range`. 304 and 412 as the conditions of the request demand. Errors before the first byte:
 * `not_found`, `not_a_file` for anything but a regular file (a device may never end); 406 for a reader who takes no encoding there is. A file that is
 * cut short while it is sent leaves the reader waiting for what was announced: the server offers no way to break that
 * connection from here.
 */
export async function serveFile({ path, headers, fileBody }: DownloadOptions): Promise<Response> {
  const encoding = chooseEncoding(headers.get("accept-encoding"));
  if (encoding === undefined) {
    const message = "files are sent as they are, or as gzip";
    return Response.json({ message, code: 406, error_code: "unsupported_media_type" }, { status: 406 });
  }
  const fd = openRegular(path);
  let handedOver = false;
  try {
    const info = fstatSync(fd, { bigint: true });
    if (info.size > 0n) return serveStored({ path, headers, fileBody }, info, encoding);
    // Empty, or made up by the kernel while it is read (/proc): the size says nothing.
    const first = await readChunk(fd);
    if (first.length === 0) return new Response(first, { headers: HEADERS });
    handedOver = true;
    return send(streamFrom(fd, first), encoding, HEADERS);
  } catch (error) {
    throw systemError(error, `read '${path}'`, "path");
  } finally {
    if (!handedOver) closeSync(fd);
  }
}

function serveStored({ path, headers, fileBody }: DownloadOptions, info: BigIntStats, encoding: Encoding) {
  // A part is sent as it is: parts of a compressed file are of use to nobody.
  const sent = headers.has("range") ? "identity" : encoding;
  const version = [info.ino, info.size, info.mtimeNs].map((n) => n.toString(16)).join("-");
  const now = { etag: `"${version}${sent === "gzip" ? "-gzip" : ""}"`, modifiedMs: Number(info.mtimeMs) };
  const described = {
    ...HEADERS,
    etag: now.etag,
    "last-modified": new Date(now.modifiedMs).toUTCString(),
  };
  const verdict = evaluateConditions(headers, now);
  if (verdict === "not-modified") return new Response(null, { status: 304, headers: described });
  if (verdict === "failed") return new Response(null, { status: 412, headers: described });
  // As a stream: for a file the server would look at `Range` itself.
  if (verdict === "whole" && headers.has("range")) {
    return new Response(fileBody(path).stream(), { headers: described });
  }
  return sent === "gzip"
    ? send(fileBody(path).stream(), sent, described)
    : new Response(fileBody(path), { headers: described });
}

function send(
  body: ReadableStream<Uint8Array>,
  encoding: Encoding,
  headers: Record<string, string>,
): Response {
  if (encoding === "identity") return new Response(body, { headers });
  const packed = body.pipeThrough(
    new CompressionStream("gzip") as ReadableWritablePair<Uint8Array, Uint8Array>,
  );
  return new Response(packed, { headers: { ...headers, "content-encoding": "gzip" } });
}

/** Opens without waiting for the other end of a FIFO. */
function openRegular(path: string): number {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    // A socket, or a device without a driver, cannot be opened at all.
    if (errnoOf(error) === "ENXIO" || errnoOf(error) === "ENODEV") throw notAFile(path);
    throw systemError(error, `read '${path}'`, "path");
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw notAFile(path);
}

async function readChunk(fd: number): Promise<Uint8Array<ArrayBuffer>> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  const { bytesRead } = await readAsync(fd, buffer, 0, CHUNK_BYTES, null);
  return buffer.subarray(0, bytesRead);
}

function streamFrom(fd: number, first: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (controller) => controller.enqueue(first),
    async pull(controller) {
      try {
        const chunk = await readChunk(fd);
        if (chunk.length > 0) return controller.enqueue(chunk);
        controller.close();
      } catch (error) {
        controller.error(error);
      }
      closeSync(fd);
    },
    cancel: () => closeSync(fd),
  });
}

function notAFile(path: string): WrennError {
  return new WrennError("not_a_file", `'${path}' is not a regular file`, { field: "path" });
}
