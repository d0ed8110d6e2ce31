// POST /init: who and where this guest is.
import { WrennError } from "@wrenn/core";
import { writeDefaults } from "../agent/defaults-file.ts";
import { type InitRequest, parseInitRequest } from "../agent/init-request.ts";
import type { Log } from "../agent/log.ts";
import type { AgentState } from "../agent/state.ts";
import type { Machine } from "../platform/machine.ts";
import type { Connections } from "../platform/server.ts";
import type { Attachments } from "../streams/attachments.ts";
import { readJson } from "./read-json.ts";

export interface InitOptions {
  state: AgentState;
  machine: Machine;
  attachments: Attachments;
  connections: Connections;
  /** Where the template has one. */
  interpreter?: { renew(): void } | undefined;
  log: Log;
  /** Where defaults are written down; see `defaults-file.ts`. */
  defaultsFile: string;
}

/** What the machine is once everything is done, as the kernel and the file system tell it. */
export interface InitConfirmation {
  hostname: string;
  /** `null`: there is none that could be read. */
  machineId: string | null;
  /** The guest's clock, milliseconds since 1970. */
  timeMs: number;
  /** Whether the kernel's random generator took entropy from this request. */
  reseeded: boolean;
}

/**
 * Applies the body and confirms what has become of it, so that a clone is not taken for ready before it has its own
 * randomness, time, name and id. Nothing is applied of a body that is wrong. A failure is `internal` with the field:
 * what follows it (the token last) has not been applied, and the same request can be made again.
 */
export async function handleInit(request: Request, options: InitOptions): Promise<Response> {
  const { state, attachments, connections } = options;
  const init = parseInitRequest(await readJson(request, "/init"));
  const reseeded = changeMachine(init, options);
  state.take(init);
  if (init.keepDefaults === true) {
    attempt("keepDefaults", "write the defaults down", () =>
      writeDefaults(options.defaultsFile, state.defaults),
    );
  }
  if (init.accessToken !== undefined) state.token = init.accessToken;
  if (init.dropConnections === true) {
    attachments.detachAll(new WrennError("unavailable", "the connection is from before a snapshot"));
    attachments.release();
    connections.closeOthers(request, "reset");
  }
  // Its programs hold randomness and environment of their own.
  if (init.entropy !== undefined || init.envVars !== undefined) options.interpreter?.renew();
  const { hostname, machineId } = options.machine.identity();
  const confirmation: InitConfirmation = { hostname, machineId, timeMs: Date.now(), reseeded };
  return Response.json(confirmation);
}

/** In this order: what is made up from here on (names of temporary files) comes from a generator of its own. */
function changeMachine(init: InitRequest, { machine, log }: InitOptions): boolean {
  const { entropy, timestamp, hostname, machineId } = init;
  const reseeded =
    entropy !== undefined && attempt("entropy", "reseed the kernel", () => machine.addEntropy(entropy));
  if (timestamp !== undefined) attempt("timestamp", "set the clock", () => machine.setTime(timestamp));
  if (hostname !== undefined) {
    const former = machine.identity().hostname;
    attempt("hostname", "set the host name", () => machine.setHostname(hostname));
    try {
      machine.writeHostname(hostname, former);
    } catch (cause) {
      // Read-only, full, or not files at all: the kernel has the name, and that is what counts.
      log.write("warn", "the host name could not be written to /etc", { cause: String(cause) });
    }
  }
  if (machineId !== undefined) {
    try {
      machine.setMachineId(machineId);
    } catch (cause) {
      // The confirmation tells which one it is now. What that means is the host's to say: it is fatal for a clone, and
      // no reason to lose a sandbox that was paused with a damaged /etc.
      log.write("warn", "the machine id could not be written", { cause: String(cause) });
    }
  }
  return reseeded;
}

function attempt<T>(field: string, what: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw new WrennError("internal", `could not ${what}: ${String(cause)}`, { cause, field });
  }
}
