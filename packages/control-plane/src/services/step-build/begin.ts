// Where a build begins: a sandbox of the last layer that is cached, or of the parent template.
import { WrennError } from "@wrenn/core";
import type { SandboxRow, TemplateRow } from "../../db/schema.ts";
import { VERSION } from "../../version.ts";
import type { Caller } from "../caller.ts";
import type { StepBuildRecord } from "./build-log.ts";
import type { BuilderContext, BuildOrder } from "./builder.ts";
import { layerKeys } from "./layer-key.ts";
import { BUILD_SEC } from "./plan.ts";

export interface Begun {
  sandbox: SandboxRow;
  /** How many steps are done already. */
  done: number;
  /** Of the layer after each step. */
  keys: string[];
}

/** Throws what making a sandbox of the parent throws. */
export async function begin(parts: {
  context: BuilderContext;
  caller: Caller;
  record: StepBuildRecord;
  order: BuildOrder;
}): Promise<Begun> {
  const { context, caller, record, order } = parts;
  const { steps } = order.plan;
  const parent = await context.templates.usable(caller, order.parent);
  const keys = layerKeys(originOf(parent, order), steps);
  const forced = order.force ? 0 : steps.findIndex(({ force }) => force);
  const found = await context.layers.find(caller, forced < 0 ? keys : keys.slice(0, forced));
  const options = {
    template: order.parent,
    timeout_sec: BUILD_SEC,
    ttl_mode: "deadline",
    metadata: { "wrenn.build": record.id },
  } as const;
  if (found) {
    try {
      const sandbox = await context.sandboxes.create(caller, { ...options, origin: found.layer });
      return { sandbox, done: found.at + 1, keys };
    } catch (reason) {
      const { code, message } = WrennError.from(reason);
      if (!USELESS.has(code)) throw reason;
      record.log("warn", `the cached layer is of no use: ${message}`, "base");
      await context.layers.forget(caller, found.layer);
    }
  }
  const sandbox = await context.sandboxes.create(caller, {
    ...options,
    ...(order.vcpus !== undefined && { vcpus: order.vcpus }),
    ...(order.memoryMb !== undefined && { memory_mb: order.memoryMb }),
  });
  return { sandbox, done: 0, keys };
}

/** A layer that is gone, whose host is away, or whose memory no host can continue. */
const USELESS = new Set(["not_found", "unavailable", "snapshot_incompatible"]);

/** Everything that a build begins with. */
function originOf(parent: TemplateRow, { vcpus, memoryMb }: BuildOrder): string {
  const { type, store_name, rootfs_sha256, created_at } = parent;
  const content = type === "base" ? [rootfs_sha256, created_at.getTime()] : [store_name];
  return JSON.stringify([VERSION, type, ...content, vcpus ?? 0, memoryMb ?? 0]);
}
