// Waiting for a booting guest, with a deadline and a diagnosis.
import { WrennError } from "@wrenn/core";
import type { Machine } from "@wrenn/vmm";
import type { GuestClient } from "../guest/client.ts";

export interface GuestWait {
  machine: Machine;
  guest: GuestClient;
  deadlineMs: number;
  gone: AbortSignal;
}

/**
 * Waits for the agent's first answer. Throws `BootFailure` when the VMM ends or the deadline passes before it, and the
 * reason of `gone`.
 */
export async function waitForGuest({ machine, guest, deadlineMs, gone }: GuestWait): Promise<void> {
  const deadline = AbortSignal.timeout(deadlineMs);
  const ended = new AbortController();
  void machine.exited.then((exit) => ended.abort(exit));
  try {
    await guest.waitUntilHealthy(AbortSignal.any([deadline, ended.signal, gone]));
  } catch (cause) {
    gone.throwIfAborted();
    const seen = await lastSeen(machine);
    if (ended.signal.aborted) {
      throw new BootFailure(`the virtual machine ended before its guest answered; ${seen}`, cause);
    }
    throw new BootFailure(
      `the guest did not answer within ${Math.round(deadlineMs / 1000)} s; ${seen}`,
      cause,
    );
  }
}

/** The end of the guest's console, for an error message. */
export async function lastSeen(machine: Machine): Promise<string> {
  const tail = (await machine.consoleTail()).trim();
  return tail === "" ? "its console is empty" : `its console ends with:\n${tail}`;
}

/** A guest that did not come up: worth one more attempt. */
export class BootFailure extends WrennError {
  constructor(message: string, cause: unknown) {
    super("internal", message, { cause });
  }
}
