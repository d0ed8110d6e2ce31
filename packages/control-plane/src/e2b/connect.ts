// Getting into a sandbox that exists, and pausing it.
import type { E2bConnectRequest, E2bPauseRequest } from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import type { SandboxRow } from "../db/schema.ts";
import { type Call, handler } from "../http/handler.ts";
import type { Services } from "../services/services.ts";
import { presentAccess } from "./present.ts";
import { shown } from "./shown.ts";
import { timeoutOf } from "./timeout.ts";
import { refuse } from "./unsupported.ts";

export function connectHandlers(services: Services) {
  const { sandboxes, access, domain } = services;
  const connect = handler<E2bConnectRequest>(async (call) => {
    const timeoutSec = timeoutOf(call.body.timeout);
    const row = await settled(services, call);
    if (row.status === "running") {
      const extended = await sandboxes.setTimeout(call.caller, row, { timeoutSec, extendOnly: true });
      return { body: presentAccess(extended, await access.of(call.caller, extended), domain) };
    }
    const running = await resume(services, call, row);
    return { status: 201, body: presentAccess(running, await access.of(call.caller, running), domain) };
  });
  return {
    e2bConnectSandbox: connect,
    e2bConnectSandboxV1: connect,
    e2bResumeSandbox: handler<E2bConnectRequest>(async (call) => {
      const running = await resume(services, call, await settled(services, call));
      return { body: presentAccess(running, await access.of(call.caller, running), domain) };
    }),
    e2bPauseSandbox: handler<E2bPauseRequest>(async (call) => {
      refuse({ "pausing without memory": call.body.memory === false });
      await sandboxes.pause(call.caller, await settled(services, call));
      return {};
    }),
  };
}

/** With a time limit of its own from now on. */
async function resume(
  { sandboxes }: Services,
  { caller, body }: Call<E2bConnectRequest>,
  row: SandboxRow,
): Promise<SandboxRow> {
  const timeoutSec = timeoutOf(body.timeout);
  return await sandboxes.resume(caller, row, { timeoutSec, ...(body.memory === false && { start: "cold" }) });
}

/** The sandbox once nothing moves it; clients do not expect a state between running and paused. */
async function settled({ sandboxes, inFlight }: Services, { caller, sandbox }: Call): Promise<SandboxRow> {
  const row = shown(sandbox);
  if (!["starting", "pausing", "resuming"].includes(row.status)) return row;
  await inFlight.ended(row.id);
  const now = shown(await sandboxes.get(caller, row.id));
  if (now.status === "running" || now.status === "paused") return now;
  throw new WrennError("invalid_state", `sandbox ${now.id} is ${now.status}; try again`);
}
