// Taking back what did not come to be: on the host first, then in the database.
import type { WrennError } from "@wrenn/core";
import { forgetSandbox, moveSandbox } from "../db/queries/sandbox-move.ts";
import type { Host } from "../hosts/host.ts";
import type { SandboxContext } from "./sandboxes.ts";

const CLEANUP_TIMEOUT_MS = 30_000;

/**
 * Destroys what the host may have made of sandboxes that did not come to be. A refusal leaves no trace; of a
 * failure the rows tell the reason for a day. What cannot be cleaned now, the reconciler cleans: work on these
 * rows is no longer in flight.
 */
export async function abandon(
  context: SandboxContext,
  host: Host,
  { ids, error }: { ids: readonly string[]; error: WrennError },
): Promise<void> {
  const { db, log, worker } = context;
  const left = await Promise.all(
    ids.map(async (id) => {
      try {
        await destroyOnHost(host, id);
        if (error.httpStatus < 500) await forgetSandbox(db, id, worker);
        else await moveSandbox(db, { id, to: "stopped", deleted: true, set: { error: error.message } });
        return false;
      } catch (reason) {
        log.warn({ sandbox_id: id, err: reason }, "could not clean up after a failure; the reconciler will");
        return true;
      }
    }),
  );
  if (left.includes(true)) context.unsettled();
}

/** Succeeds for a sandbox that the host does not hold. */
export async function destroyOnHost({ client }: Host, id: string): Promise<void> {
  const attempted = `cleaning up sandbox ${id}`;
  const call = { attempted, requestId: "cleanup", timeoutMs: CLEANUP_TIMEOUT_MS };
  await client.call("destroySandbox", { sandboxId: id }, call);
}
