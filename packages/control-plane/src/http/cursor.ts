// Cursors of lists: opaque to clients, checked when they come back.
import { WrennError } from "@wrenn/core";
import type { Position } from "../db/queries/sandbox-find.ts";

/** The cursor behind a row. */
export function encodeCursor({ createdAt, id }: Position): string {
  return Buffer.from(`${createdAt} ${id}`).toString("base64url");
}

/** Throws `invalid_argument` for what `encodeCursor` did not make. */
export function decodeCursor(cursor: string): Position {
  const match = /^(\d{1,15}) ([A-Za-z0-9._-]{1,64})$/.exec(Buffer.from(cursor, "base64url").toString());
  const [, createdAt, id] = match ?? [];
  const position = { createdAt: Number(createdAt), id: id ?? "" };
  if (id === undefined || encodeCursor(position) !== cursor) {
    throw new WrennError("invalid_argument", "next_token must be the X-Next-Token of an earlier answer", {
      field: "next_token",
    });
  }
  return position;
}
