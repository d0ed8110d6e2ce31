// What failed, told once more at the end, where a long log is read first.
import { relative } from "node:path";
import { inspect } from "node:util";

/** A test that failed by itself, not because of one inside it. */
export interface Failure {
  file: string;
  line: number;
  name: string;
  reason: string;
}

/** Longest reason that is repeated, in characters; the whole of it stands where the test ran. */
const LONGEST_REASON = 1500;

interface FailEvent {
  file?: string | undefined;
  line?: number | undefined;
  name: string;
  details: { error: Error & { failureType?: unknown; cause?: unknown } };
}

/** The failure of an event `test:fail` of `node:test`; undefined for a suite that only holds the one that failed. */
export function toFailure({ file = "", line = 0, name, details }: FailEvent): Failure | undefined {
  const { error } = details;
  if (error.failureType === "subtestsFailed") return undefined;
  const reason = inspect(error.cause ?? error, { depth: 3 });
  return { file, line, name, reason };
}

export function toldShort({ file, line, name, reason }: Failure, repository: string): string {
  const place = file === "" ? "" : ` (${relative(repository, file)}:${line})`;
  const text = reason.length > LONGEST_REASON ? `${reason.slice(0, LONGEST_REASON)} …` : reason;
  return `\n✖ ${name}${place}\n  ${text.replaceAll("\n", "\n  ")}\n`;
}
