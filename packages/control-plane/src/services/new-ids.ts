// Ids for new sandboxes, made again when one is taken.
import { newSandboxId } from "@wrenn/core";

/** How often other ids are tried. At 82 random bits even one collision means a broken source. */
const TRIES = 3;

/** PostgreSQL's unique_violation. */
const UNIQUE_VIOLATION = "23505";

/** Runs work that inserts rows with these ids. */
export async function withNewIds<T>(count: number, work: (ids: string[]) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work(Array.from({ length: count }, newSandboxId));
    } catch (reason) {
      if (!isUniqueViolation(reason) || tries === TRIES) throw reason;
    }
  }
}

function isUniqueViolation(reason: unknown): boolean {
  return reason instanceof Error && "code" in reason && reason.code === UNIQUE_VIOLATION;
}
