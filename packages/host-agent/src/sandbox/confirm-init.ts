// A guest's init: token, clock, randomness, names. It is running once it has confirmed all of them, and not before.
import { createHash, randomBytes } from "node:crypto";
import { WrennError } from "@wrenn/core";
import type { Machine } from "@wrenn/vmm";
import type { GuestClient, GuestIdentity } from "../guest/client.ts";
import type { Sandbox } from "./sandbox.ts";
import { lastSeen } from "./wait-for-guest.ts";

/** Bytes of the host's randomness for the guest's kernel: twice what its generator holds. */
const ENTROPY_BYTES = 64;
/** How far a clone's clock may be off once it counts as running, `ms`. */
const MAX_CLOCK_ERROR_MS = 500;
/** A guest that wakes up gets to its init late; one that is awake takes the time of a request over at once. */
const CLOCK_ATTEMPTS = 20;

export interface InitArguments {
  guest: GuestClient;
  machine: Machine;
  sandbox: Sandbox;
  /** The token that a guest from saved memory knows; undefined for one that has just booted. */
  heldToken: string | undefined;
  /** It goes on as itself: it has its names already, and a guest that has damaged its /etc is not lost for that. */
  isItself: boolean;
  /** The most that all of it may take: it is local work in the guest, far below a boot. */
  deadlineMs: number;
}

/**
 * Gives the guest who it is. Throws when anything is not confirmed: two sandboxes with one key stream, or one identity,
 * are worse than one that does not start.
 */
export async function confirmInit({
  guest,
  machine,
  sandbox,
  heldToken,
  isItself,
  deadlineMs,
}: InitArguments): Promise<void> {
  const ended = new AbortController();
  void machine.exited.then((exit) => ended.abort(exit));
  const { record } = sandbox;
  const machineId = machineIdOf(sandbox.id);
  const signal = AbortSignal.any([AbortSignal.timeout(deadlineMs), sandbox.gone.signal, ended.signal]);
  let identity: GuestIdentity;
  let lagMs: number;
  try {
    identity = await guest.init(
      {
        accessToken: record.token,
        // A guest from saved memory has an environment already, which stays unless another one was asked for.
        ...(Object.keys(record.envs).length > 0 ? { envVars: record.envs } : {}),
        hostname: sandbox.id,
        machineId,
        entropy: randomBytes(ENTROPY_BYTES).toString("base64"),
        dropConnections: heldToken !== undefined,
      },
      {
        ...(heldToken === undefined ? {} : { heldToken }),
        signal,
      },
    );
    lagMs = Date.now() - identity.timeMs;
    for (let attempt = 1; lagMs > MAX_CLOCK_ERROR_MS && attempt < CLOCK_ATTEMPTS; attempt++) {
      const { timeMs } = await guest.init({}, { signal });
      lagMs = Date.now() - timeMs;
    }
  } catch (cause) {
    sandbox.gone.signal.throwIfAborted();
    throw new WrennError("internal", `the guest did not confirm its init; ${await lastSeen(machine)}`, {
      cause,
    });
  }
  assertConfirmed(sandbox.id, identity, {
    machineId: isItself ? identity.machineId : machineId,
    lagMs,
  });
}

/** The same for every life of a sandbox, different from that of every other one. */
function machineIdOf(id: string): string {
  return createHash("sha256").update(`machine-id of ${id}`).digest("hex").slice(0, 32);
}

function assertConfirmed(
  id: string,
  identity: GuestIdentity,
  expected: { machineId: string; lagMs: number },
): void {
  const wrong = [
    ...(identity.reseeded ? [] : ["its random numbers"]),
    ...(identity.hostname === id ? [] : ["its host name"]),
    ...(identity.machineId === expected.machineId ? [] : ["its machine id"]),
    // By at most this much, of which the way of the answer is a part.
    ...(Math.abs(expected.lagMs) <= MAX_CLOCK_ERROR_MS ? [] : ["its clock"]),
  ];
  if (wrong.length > 0) {
    throw new WrennError("internal", `the guest of ${id} did not take over ${wrong.join(", ")}`);
  }
}
