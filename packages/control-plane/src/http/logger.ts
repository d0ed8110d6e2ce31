// Structured logs: JSON lines on stdout, without secrets.
import { type Logger, pino } from "pino";

/** Where keys and tickets would stand if an object that holds them were logged. */
const SECRETS = [
  "key",
  "ticket",
  "headers['x-api-key']",
  "headers.authorization",
  "headers.cookie",
  "req.headers['x-api-key']",
  "req.headers.authorization",
  "req.headers.cookie",
];

export interface Log {
  log: Logger;
  /** Writes out what is still waiting. Before the process ends. */
  flush: () => void;
}

/** Lines are written in the background: a request does not wait for the log. */
export function openLog(level: string): Log {
  const out = pino.destination({ dest: 1, sync: false });
  const log = pino({ level, name: "control-plane", redact: { paths: SECRETS, censor: "[redacted]" } }, out);
  return { log, flush: () => out.flushSync() };
}
