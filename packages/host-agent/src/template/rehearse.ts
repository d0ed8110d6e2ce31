// What a guest does once before its moment is saved, so that its copies do not all do it for the first time.
import type { Logger } from "pino";
import type { GuestClient } from "../guest/client.ts";
import { runCaptured } from "../guest/exec.ts";

/** Does nothing, with what most commands need: the shell, its loader and libraries. */
const REHEARSED = {
  ...{ cmd: "/bin/sh", args: ["-c", ":"] },
  ...{ envs: {}, cwd: "", user: "", timeoutSec: 0, requestId: undefined },
};

/**
 * Runs a command as the API runs commands. The guest agent has then read and compiled its code for it, and the kernel has
 * the shell in memory: under emulation the first command of a copy takes half as long. Never rejects: a guest that has
 * no shell, or does not end it before `signal` is aborted, has no rehearsal, and its copies are slower at first.
 */
export async function rehearse(
  guest: Pick<GuestClient, "process">,
  signal: AbortSignal,
  log: Logger,
): Promise<void> {
  try {
    await runCaptured(guest, REHEARSED, { signal });
  } catch (err) {
    log.info({ err }, "the guest has not rehearsed a command");
  }
}
