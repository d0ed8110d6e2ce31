// Which statuses of a sandbox allow which operations on it.
import type { OperationId } from "@wrenn/api";
import { type SandboxStatus, WrennError } from "@wrenn/core";
import type { SandboxRow } from "../db/schema.ts";

const RUNNING: readonly SandboxStatus[] = ["running"];

/** Operations that are not here are allowed in every status. */
const ALLOWED: Partial<Record<OperationId, readonly SandboxStatus[]>> = {
  execInSandbox: RUNNING,
  execStream: RUNNING,
  createExecTicket: RUNNING,
  writeFile: RUNNING,
  readFile: RUNNING,
  streamWriteFile: RUNNING,
  streamReadFile: RUNNING,
  pingSandbox: RUNNING,
  pauseSandbox: RUNNING,
  resumeSandbox: ["paused", "stopped"],
  forkSandbox: RUNNING,
  restoreSandbox: ["running", "paused"],
};

/** Calls that end on the sandbox's host, which refuses them itself when the sandbox is not running there. */
const ENDS_ON_HOST: ReadonlySet<string> = new Set<OperationId>([
  "execInSandbox",
  "writeFile",
  "readFile",
  "streamWriteFile",
  "streamReadFile",
]);

export function endsOnHost(operation: string): boolean {
  return ENDS_ON_HOST.has(operation);
}

/** Throws `invalid_state` when the sandbox's status does not allow the operation. */
export function assertAllowed(operation: string, { id, status, deleted_at }: SandboxRow): void {
  if (operation === "resumeSandbox" && deleted_at !== null)
    throw new WrennError("invalid_state", `sandbox ${id} was deleted; make another one`);
  const allowed = Object.hasOwn(ALLOWED, operation) ? ALLOWED[operation as OperationId] : undefined;
  if (allowed && !allowed.includes(status)) {
    throw new WrennError("invalid_state", `sandbox ${id} is ${status}; it must be ${allowed.join(" or ")}`);
  }
}
