// What is left of a sandbox whose machine died: its disk as the guest had flushed it, and its last generation.
import { WrennError } from "@wrenn/core";
import type { HostContext } from "./context.ts";
import type { Beginning } from "./life.ts";
import type { GuestImageNames, SandboxRecord } from "./record.ts";
import { fromSnapshot, isOwn } from "./resume.ts";

/**
 * How a stopped sandbox goes on: by a boot from its disk, or as a whole from its last generation, which leaves what came
 * after. Throws `invalid_state` when it has none.
 */
export async function fromLeft(
  context: HostContext,
  record: SandboxRecord,
  { cold, guest }: { cold: boolean; guest: GuestImageNames },
): Promise<Beginning> {
  const { layers, diskMb, snapshot } = record;
  if (cold) return { kind: "cold", guest, layers, diskMb, onKept: true };
  // What it was made from, or rolled back to, is without all that it has done since.
  if (snapshot === null || !isOwn(context, record)) {
    throw new WrennError(
      "invalid_state",
      `sandbox ${record.id} ended before it was saved (made, booted or restored, it was not paused since); ` +
        'boot it from its disk: {"start":"cold"}',
    );
  }
  return await fromSnapshot(context, snapshot);
}
