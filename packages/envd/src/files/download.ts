// GET /files: a file's content.
import { closeSync, constants, fstatSync, openSync, read } from "node:fs";
import { promisify } from "node:util";
import { WrennError } from "@wrenn/core";
import { errnoOf, systemError } from "../agent/system-error.ts";

const CHUNK_BYTES = 64 * 1024;

const HEADERS = { "content-type": "application/octet-stream", "content-disposition": "inline" };

const readAsync = promisify(read);

/**
 * The file as a response. The server answers for a file body itself: without copying (sendfile), with
 * Content-Length, and a part of it for `Range`. Errors before the first byte: `not_found`, `not_a_file` for
 * anything but a regular file (a device may never end). A file that is cut short while it is sent leaves the
 * reader waiting for what was announced: the server offers no way to break that connection from here.
 *
 * @param fileBody a body that the server sends from the file
 */
export async function serveFile(path: string, fileBody: (path: string) => Blob): Promise<Response> {
  const fd = openRegular(path);
  let handedOver = false;
  try {
    if (fstatSync(fd).size > 0) return new Response(fileBody(path), { headers: HEADERS });
    // Empty, or made up by the kernel while it is read (/proc): the size says nothing.
    const first = await readChunk(fd);
    if (first.length === 0) return new Response(first, { headers: HEADERS });
    handedOver = true;
    return new Response(streamFrom(fd, first), { headers: HEADERS });
  } catch (error) {
    throw systemError(error, `read '${path}'`, "path");
  } finally {
    if (!handedOver) closeSync(fd);
  }
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
