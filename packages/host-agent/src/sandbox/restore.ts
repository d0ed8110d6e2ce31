// Rolling a sandbox back to a snapshot, in place.
import { WrennError } from "@wrenn/core";
import type { Logger } from "pino";
import type { Template } from "../template/registry.ts";
import type { HostContext } from "./context.ts";
import { assertShape, type Templates } from "./create.ts";
import { pauseSandbox } from "./pause.ts";
import { cloneOf, fromSnapshot, resumeSandbox } from "./resume.ts";
import type { Sandbox } from "./sandbox.ts";

/**
 * The caller holds the sandbox's lock. A running sandbox is paused first, so that its present state is on disk until the
 * restored one has confirmed its init: when that fails it goes on where it was, and after a crash it is paused there.
 */
export async function restoreSandbox(
  context: HostContext,
  { warm }: Templates,
  sandbox: Sandbox,
  template: Template,
  log: Logger,
): Promise<void> {
  const wasRunning = sandbox.status === "running";
  if (!wasRunning && sandbox.status !== "paused") {
    throw new WrennError(
      "invalid_state",
      `sandbox ${sandbox.id} is ${sandbox.status}; restore needs it running or paused`,
    );
  }
  const { vcpus, memoryMb, diskMb } = sandbox.record;
  // The disk comes with the snapshot, whatever the size of the present one.
  assertShape(
    { ...sandbox.record, diskMb: template.type === "snapshot" ? template.diskMb : diskMb },
    template,
  );
  const shape = { vcpus, memoryMb, diskMb };
  const target =
    template.type === "snapshot"
      ? template.snapshot
      : ((await warm.find(template, shape)) ?? (await warm.make(template, shape)));
  const release = context.storage.hold(target);
  try {
    const beginning = await cloneOf(context, target);
    if (wasRunning) {
      // What would be refused once it is paused is refused while it runs.
      await context.snapshots.assertContinues(target, sandbox.gone.signal);
      await pauseSandbox(context, sandbox, log);
    }
    try {
      await resumeSandbox(context, sandbox, beginning, log);
    } catch (reason) {
      // As a clone that fails does.
      if (template.type === "base" && !sandbox.gone.signal.aborted) warm.makeSoon(template, shape);
      if (wasRunning && sandbox.record.snapshot !== null && !sandbox.gone.signal.aborted) {
        log.warn({ err: reason }, "could not restore; going on where it was");
        await resumeSandbox(context, sandbox, await fromSnapshot(context, sandbox.record.snapshot), log);
      }
      throw reason;
    }
  } finally {
    release();
  }
}
