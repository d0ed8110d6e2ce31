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

export function openLog(level: string): Logger {
  return pino({ level, name: "control-plane", redact: { paths: SECRETS, censor: "[redacted]" } });
}
