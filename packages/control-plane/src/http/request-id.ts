// The id that follows a request from here to the host and the guest, and through all logs.
import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { REQUEST_ID_HEADER } from "@wrenn/api";

/** What may stand in a log line and a header without harm. */
const ACCEPTED = /^[A-Za-z0-9._-]{1,64}$/;

/** The caller's id if it is well-formed, else a new one. */
export function requestIdOf({ headers }: Pick<IncomingMessage, "headers">): string {
  const given = headers[REQUEST_ID_HEADER];
  return typeof given === "string" && ACCEPTED.test(given) ? given : randomUUID();
}
