// A host that does not hold a sandbox that the database knows.
import { WrennError } from "@wrenn/core";

/**
 * For `catch()`: its machine ended a moment ago, and the report of that is under way. To the caller the sandbox
 * exists, so it is in the wrong state, and not unknown. A `not_found` that names a field is about something else.
 */
export function notOnHost(id: string): (reason: unknown) => never {
  return (reason) => {
    if (!(reason instanceof WrennError) || reason.code !== "not_found" || reason.field !== undefined)
      throw reason;
    throw new WrennError("invalid_state", `sandbox ${id} has just ended: its host no longer holds it`, {
      cause: reason,
    });
  };
}
