// One page of a list: the parameters, and the header of the next one.
import { NEXT_TOKEN_HEADER } from "@wrenn/api";
import type { Position } from "../db/queries/sandbox-find.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";

interface PageQuery {
  limit?: number;
  next_token?: string;
}

/** Where to go on and how many rows to read: one more than asked for, which tells whether there is another page. */
export function pageOf({ limit, next_token }: PageQuery): { after?: Position; limit?: number } {
  return {
    ...(next_token !== undefined && { after: decodeCursor(next_token) }),
    ...(limit !== undefined && { limit: limit + 1 }),
  };
}

/** The rows of this page, and the header for the next. */
export function cutPage<T>(
  rows: T[],
  { limit }: PageQuery,
  positionOf: (row: T) => Position,
): { rows: T[]; headers: Record<string, string> } {
  if (limit === undefined || rows.length <= limit) return { rows, headers: {} };
  const page = rows.slice(0, limit);
  const last = page.at(-1) as T;
  return { rows: page, headers: { [NEXT_TOKEN_HEADER]: encodeCursor(positionOf(last)) } };
}
