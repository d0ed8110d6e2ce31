// A guest's console as entries of a log: JSON lines of its agent, and whatever its kernel and its programs print there.
import { LOG_LEVELS, type LogEntry } from "./entry.ts";

/** Characters of one entry, and fields of one line: what is beyond is cut off. */
const MAX_CHARS = 4_096;
const MAX_FIELDS = 16;

/**
 * Only the agent's lines carry a time. Another line has the time of the one with a time before it, or `began` where there
 * is none. What a guest prints is not trusted: a time from the future counts as none.
 */
export function consoleEntries(
  text: string,
  { began, now = Date.now() }: { began: Date; now?: number },
): LogEntry[] {
  let at = began;
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) => {
      const spoken = agentEntry(line, now);
      if (spoken?.at && spoken.at > at) at = spoken.at;
      if (spoken) return { ...spoken, at };
      return { at, level: "info", message: line.slice(0, MAX_CHARS), fields: { source: "console" } };
    });
}

function agentEntry(
  line: string,
  now: number,
): (Omit<LogEntry, "at"> & { at: Date | undefined }) | undefined {
  if (!line.startsWith("{")) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { time, level, msg, ...rest } = parsed as Record<string, unknown>;
  if (typeof msg !== "string") return undefined;
  const at = typeof time === "string" ? Date.parse(time) : Number.NaN;
  const fields = Object.entries(rest)
    .filter(([, value]) => ["string", "number", "boolean"].includes(typeof value))
    .slice(0, MAX_FIELDS)
    .map(([name, value]) => [name.slice(0, MAX_CHARS), String(value).slice(0, MAX_CHARS)]);
  return {
    at: at <= now + 1_000 ? new Date(at) : undefined,
    level: LOG_LEVELS.find((known) => known === level) ?? "info",
    message: msg.slice(0, MAX_CHARS),
    fields: { ...Object.fromEntries(fields), source: "agent" },
  };
}
