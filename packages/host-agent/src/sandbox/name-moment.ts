// Keeping a saved moment of a sandbox under a name, as a template.
import { faultPoint } from "@wrenn/linux";
import type { Logger } from "pino";
import type { SnapshotTemplate, TemplateRegistry } from "../template/registry.ts";
import type { HostContext } from "./context.ts";

/** Records the snapshot `moment` as the template `name`. The caller keeps the snapshot from being collected meanwhile. */
export async function nameMoment(
  context: HostContext,
  registry: TemplateRegistry,
  { moment, name }: { moment: string; name: string },
): Promise<SnapshotTemplate> {
  const { vcpus, memoryMb, diskMb, disk } = context.snapshots.get(moment).manifest;
  const template: SnapshotTemplate = {
    name,
    type: "snapshot",
    snapshot: moment,
    layers: disk,
    vcpus,
    memoryMb,
    diskMb,
    sizeBytes: await context.snapshots.sizeOf(moment),
    createdAt: Date.now(),
  };
  faultPoint("snapshot.frozen");
  await registry.set(template);
  faultPoint("snapshot.named");
  return template;
}

/** Makes the shared memory image of a named snapshot ahead of its first use, without being waited for. */
export function flattenSoon(context: HostContext, moment: string, log: Logger): void {
  context.memory
    .acquire(moment)
    .then((image) => image.release())
    .catch((err: unknown) => log.warn({ err, snapshot: moment }, "could not flatten a snapshot yet"));
}
