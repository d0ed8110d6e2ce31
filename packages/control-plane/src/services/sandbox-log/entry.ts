// An entry of a sandbox's log.

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogEntry {
  at: Date;
  level: LogLevel;
  message: string;
  /** `source` is among them: `platform`, `agent` or `console`. */
  fields: Record<string, string>;
}
