// Conditional requests for a file (RFC 9110, 13).

/** A file as it is now. */
export interface Validators {
  /** Strong, with its quotes. */
  etag: string;
  /** Milliseconds since 1970. */
  modifiedMs: number;
}

/**
 * `send`: as asked, a range included. `whole`: the range asked for is of another version, so all of it.
 * `not-modified`: 304. `failed`: 412.
 */
export type Verdict = "send" | "whole" | "not-modified" | "failed";

/** Evaluates the conditions of a GET in the order of section 13.2.2. What cannot be read counts as absent. */
export function evaluateConditions(headers: Headers, now: Validators): Verdict {
  const ifMatch = headers.get("if-match");
  if (ifMatch !== null) {
    if (!names(ifMatch, now.etag, "strong")) return "failed";
  } else if (isLater(now, headers.get("if-unmodified-since"))) return "failed";

  const ifNoneMatch = headers.get("if-none-match");
  if (ifNoneMatch !== null) {
    if (names(ifNoneMatch, now.etag, "weak")) return "not-modified";
  } else if (isLater(now, headers.get("if-modified-since")) === false) return "not-modified";

  const ifRange = headers.get("if-range")?.trim();
  if (ifRange === undefined) return "send";
  const isSame = /^(W\/)?"/.test(ifRange) ? ifRange === now.etag : seconds(now) === parseDate(ifRange);
  return isSame ? "send" : "whole";
}

function names(list: string, etag: string, comparison: "strong" | "weak"): boolean {
  if (list.trim() === "*") return true;
  const tags = list.match(/(W\/)?"[^"]*"/g) ?? [];
  return tags.some((tag) => (comparison === "weak" ? tag.replace(/^W\//, "") : tag) === etag);
}

/** Whether the file is younger than a date; `undefined` without a date. */
function isLater(now: Validators, date: string | null): boolean | undefined {
  const limit = date === null ? undefined : parseDate(date);
  return limit === undefined ? undefined : seconds(now) > limit;
}

/** HTTP dates have whole seconds. */
function seconds({ modifiedMs }: Validators): number {
  return Math.floor(modifiedMs / 1000);
}

function parseDate(text: string): number | undefined {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : Math.floor(ms / 1000);
}
