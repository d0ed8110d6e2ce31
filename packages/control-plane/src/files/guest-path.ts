// The bound on paths that no schema can say.
import { LIMITS, WrennError } from "@wrenn/core";

/** Throws `invalid_argument` for a path that the guest's kernel cannot take: it counts bytes, a schema characters. */
export function assertPathBytes(path: string): void {
  if (Buffer.byteLength(path) <= LIMITS.pathBytes) return;
  throw new WrennError("invalid_argument", `path must be at most ${LIMITS.pathBytes} bytes`, {
    field: "path",
  });
}
