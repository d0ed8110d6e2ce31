// What was done to a sandbox by a caller, for the audit record.
import type { AuditEvent } from "../db/queries/audit.ts";
import type { Caller } from "./caller.ts";

export function sandboxEvent(
  what: "create" | "delete" | "fork" | "network" | "pause" | "restore" | "resume",
  by: Caller,
  id: string,
  detail: Record<string, unknown> = {},
): AuditEvent {
  return { action: `sandbox.${what}`, subject: id, by, detail };
}
