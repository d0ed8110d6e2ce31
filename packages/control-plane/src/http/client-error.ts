// Requests that are not HTTP: answered in JSON as well, as far as there is somebody to answer.
import type { Socket } from "node:net";
import type { ErrorCode } from "@wrenn/core";

/** Node's parser errors that have a status of their own. */
const STATUS: Partial<Record<string, { line: string; code: ErrorCode; message: string }>> = {
  HPE_HEADER_OVERFLOW: {
    line: "431 Request Header Fields Too Large",
    code: "too_large",
    message: "the request's head is too large",
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    line: "408 Request Timeout",
    code: "deadline_exceeded",
    message: "the request's head did not arrive in time",
  },
};

const BAD_REQUEST = {
  line: "400 Bad Request",
  code: "invalid_argument",
  message: "the request is not valid HTTP",
} as const;

export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const { line, code, message } = STATUS[error.code ?? ""] ?? BAD_REQUEST;
  const body = JSON.stringify({ error: { code, message } });
  socket.end(
    `HTTP/1.1 ${line}\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
