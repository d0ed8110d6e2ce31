// Pausing: the sandbox goes to disk, and its memory, process and network are given back.
import { WrennError } from "@wrenn/core";
import { faultPoint, isAlive } from "@wrenn/linux";
import type { Logger } from "pino";
import { beginDraft, capture } from "./capture.ts";
import type { HostContext } from "./context.ts";
import { explainDiskFull } from "./disk-full.ts";
import { quiesce, unquiesce } from "./quiesce.ts";
import { type Running, runningOf, type Sandbox } from "./sandbox.ts";
import { rounded } from "./stopwatch.ts";

/**
 * Takes a running sandbox to `paused`. The caller holds its lock. When anything fails it runs as before (only streams
 * that were open on it have ended), unless its machine has died meanwhile. Returns what each phase took, `ms`; `paused`
 * is told the same as soon as the sandbox is on disk and its memory free, ahead of what is left to be tidied.
 */
export async function pauseSandbox(
  context: HostContext,
  sandbox: Sandbox,
  log: Logger,
  paused: (phases: Record<string, number>) => void = () => {},
): Promise<Record<string, number>> {
  const running = runningOf(sandbox, "pause");
  const draft = await beginDraft(context, sandbox);
  try {
    const quiesceMs = await begin(context, sandbox, running, draft.id, log);
    sandbox.left.abort(new WrennError("invalid_state", `sandbox ${sandbox.id} is being paused`));
    sandbox.terminals.clear();
    const captured = await capture(context, sandbox, running, {
      operation: "pause",
      goesOn: false,
      draft,
      log,
    });
    const phases = { quiesce: quiesceMs, ...captured.phases };
    log.info({ phases: rounded(phases), generation: draft.id }, "sandbox is paused");
    sandbox.running = undefined;
    // Whoever is told may ask for that memory at once.
    if (!isAlive(running.machine.process)) running.freeCapacity();
    paused(phases);
    await endLife(context, sandbox, running, log);
    faultPoint("pause.freed");
    return phases;
  } catch (reason) {
    const error = await explainDiskFull(context.dataDir, reason, `sandbox ${sandbox.id} could not be paused`);
    // First of all the space that the attempt has taken: what follows is written too.
    await draft.abort();
    if (sandbox.status === "pausing") {
      sandbox.left = new AbortController();
      await recordGoesOn(context, sandbox, log);
      await unquiesce(running, log);
    }
    throw error;
  } finally {
    await draft.abort();
    context.storage.collect();
    context.compactor.consider(sandbox);
  }
}

/** The record says what is to come while the guest gets ready for it. Returns what that took, `ms`. */
async function begin(
  context: HostContext,
  sandbox: Sandbox,
  running: Running,
  next: string,
  log: Logger,
): Promise<number> {
  const record = async () => {
    await sandbox.update(context.dataDir, { status: "pausing", next });
    faultPoint("pause.begun", running.machine.process);
  };
  const [recorded, quiesced] = await Promise.allSettled([record(), quiesce(running, "end", log)]);
  if (recorded.status === "rejected") throw recorded.reason;
  if (quiesced.status === "rejected") throw quiesced.reason;
  return quiesced.value;
}

/** Gives a life's resources back, and records that it is over. */
export async function endLife(
  context: HostContext,
  sandbox: Sandbox,
  running: Running,
  log: Logger,
): Promise<void> {
  await giveBack(running, log);
  try {
    if (sandbox.record.life) await sandbox.update(context.dataDir, { life: null });
  } catch (err) {
    // The record on disk names what is gone: the next agent finds nothing of it.
    log.error({ err }, "could not record that a life is over");
  }
}

/** What cannot be given back is an error in the log; the next start finds it by its name. */
export async function giveBack(running: Running, log: Logger): Promise<void> {
  try {
    await running.scope.close();
  } catch (err) {
    log.error({ err }, "could not give back everything a sandbox held");
  }
}

/** A record that stays `pausing`, with the name of a snapshot that is not there, says the same to the next agent. */
async function recordGoesOn(context: HostContext, sandbox: Sandbox, log: Logger): Promise<void> {
  try {
    await sandbox.update(context.dataDir, { status: "running", next: null });
  } catch (err) {
    log.error({ err }, "could not record that a sandbox goes on running");
  }
}
