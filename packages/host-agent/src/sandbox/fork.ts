// Forking: copies of a running sandbox, which stands still for a moment and goes on.
import { assertSandboxId, WrennError } from "@wrenn/core";
import type { Logger } from "pino";
import { beginDraft, capture } from "./capture.ts";
import type { HostContext } from "./context.ts";
import { explainDiskFull } from "./disk-full.ts";
import { quiesce, unquiesce } from "./quiesce.ts";
import { type SandboxRecord, startingRecord } from "./record.ts";
import { runningOf, type Sandbox } from "./sandbox.ts";

/**
 * Freezes the present moment of a running sandbox into a snapshot that is kept until `release` is called. The caller
 * holds the sandbox's lock, for the freezing only: copies are started from it afterwards.
 */
export async function freezeMoment(
  context: HostContext,
  sandbox: Sandbox,
  operation: "fork" | "snapshot",
  log: Logger,
): Promise<{ id: string; stoodStillMs: number; release: () => void }> {
  const running = runningOf(sandbox, operation);
  const draft = await beginDraft(context, sandbox);
  try {
    await quiesce(running, "keep", log);
    const { phases, stoodStillMs } = await capture(context, sandbox, running, {
      operation,
      goesOn: true,
      draft,
      log,
    });
    log.info(
      { phases, stood_still_ms: Math.round(stoodStillMs * 10) / 10, generation: draft.id },
      `${operation} point`,
    );
    return { id: draft.id, stoodStillMs, release: context.storage.hold(draft.id) };
  } catch (reason) {
    throw await explainDiskFull(context.dataDir, reason, `${operation} of sandbox ${sandbox.id} failed`);
  } finally {
    await draft.abort();
    context.compactor.consider(sandbox);
    await unquiesce(running, log);
  }
}

/** Throws `invalid_argument` unless these are ids of sandboxes, distinct and not the source's. */
export function assertForkIds(source: string, ids: readonly string[], max: number): void {
  for (const id of ids) assertSandboxId(id);
  if (ids.length < 1 || ids.length > max) {
    throw new WrennError("invalid_argument", `a fork makes 1 to ${max} copies`, { field: "count" });
  }
  if (new Set([source, ...ids]).size !== ids.length + 1) {
    throw new WrennError("invalid_argument", "each copy needs an id of its own", { field: "fork_ids" });
  }
}

/** The record of a copy: the source's size, time-outs, variables and rules, and nothing that it has become since. */
export function forkRecord(source: SandboxRecord, id: string): SandboxRecord {
  const { vcpus, memoryMb, diskMb, template, timeoutSec, ttlMode, onTimeout, envs, egress } = source;
  return startingRecord({
    id,
    template,
    vcpus,
    memoryMb,
    diskMb,
    timeoutSec,
    ttlMode,
    onTimeout,
    envs,
    ...(egress && { egress }),
  });
}
