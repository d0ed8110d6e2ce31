// POST /init: who and where this guest is.
import { LIMITS, WrennError } from "@wrenn/core";
import { type InitRequest, parseInitRequest } from "../agent/init-request.ts";
import type { AgentState } from "../agent/state.ts";
import type { Machine } from "../platform/machine.ts";

/**
 * Applies the body; answers 204 once everything in it is done, so that a clone is not taken for ready before it
 * has its own time and randomness. Nothing is applied of a body that is wrong.
 */
export async function handleInit(request: Request, state: AgentState, machine: Machine): Promise<Response> {
  applyInit(parseInitRequest(await readJson(request)), state, machine);
  return new Response(null, { status: 204 });
}

function applyInit(init: InitRequest, state: AgentState, machine: Machine): void {
  if (init.entropy !== undefined) machine.addEntropy(init.entropy);
  if (init.timestamp !== undefined) machine.setTime(init.timestamp);
  if (init.hostname !== undefined) machine.setHostname(init.hostname);
  if (init.envVars !== undefined) state.envs = init.envVars;
  if (init.defaultUser !== undefined) state.defaultUser = init.defaultUser;
  if (init.defaultWorkdir !== undefined) state.defaultWorkdir = init.defaultWorkdir;
  if (init.accessToken !== undefined) state.token = init.accessToken;
}

async function readJson(request: Request): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > LIMITS.jsonBodyBytes) {
      throw new WrennError("too_large", `the body of /init is over ${LIMITS.jsonBodyBytes} bytes`);
    }
    chunks.push(chunk);
  }
  if (length === 0) return {};
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (cause) {
    throw new WrennError("invalid_argument", "the body of /init is not JSON", { cause });
  }
}
