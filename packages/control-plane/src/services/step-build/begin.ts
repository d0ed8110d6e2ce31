// Where a build begins: a sandbox of the last layer that is cached, or of what the build is from.
import { WrennError } from "@wrenn/core";
import type { SandboxRow, TemplateRow } from "../../db/schema.ts";
import { VERSION } from "../../version.ts";
import type { Caller } from "../caller.ts";
import type { CreateOptions } from "../create-sandbox.ts";
import { type FromImage, resolveImage, withImageTemplate } from "./base-image.ts";
import type { StepBuildRecord } from "./build-log.ts";
import type { BuilderContext, BuildOrder } from "./builder.ts";
import { layerKeys } from "./layer-key.ts";
import { BUILD_SEC, type Plan, planSteps } from "./plan.ts";

export interface Begun {
  sandbox: SandboxRow;
  plan: Plan;
  /** How many steps are done already. */
  done: number;
  /** Of the layer after each step. */
  keys: string[];
}

export interface Beginning {
  context: BuilderContext;
  caller: Caller;
  record: StepBuildRecord;
  order: BuildOrder;
}

/** Throws what making a sandbox of the parent throws, or getting the image. */
export async function begin(beginning: Beginning): Promise<Begun> {
  const { context, caller, record, order } = beginning;
  const from = await originOf(beginning);
  const envs = { ...from.image?.envs, ...order.start.envs };
  const plan = planSteps(order.steps, { ...order.start, envs });
  const { first, keys } = layerKeys(from.origin, plan.steps);
  const forced = order.force ? 0 : plan.steps.findIndex(({ force }) => force);
  // An image leaves a layer of its own, below that of the first step.
  const all = [...(from.image ? [first] : []), ...(forced < 0 ? keys : keys.slice(0, forced))];
  const found = await context.layers.find(caller, all);
  const options: CreateOptions = {
    template: from.name,
    timeout_sec: BUILD_SEC,
    ttl_mode: "deadline",
    metadata: { "wrenn.build": record.id },
  };
  if (found) {
    try {
      const sandbox = await context.sandboxes.create(caller, { ...options, origin: found.layer });
      return { sandbox, plan, done: found.at + (from.image ? 0 : 1), keys };
    } catch (reason) {
      const { code, message } = WrennError.from(reason);
      if (!USELESS.has(code)) throw reason;
      record.log("warn", `the cached layer is of no use: ${message}`, "base");
      await context.layers.forget(caller, found.layer);
    }
  }
  const size = {
    ...(order.vcpus !== undefined && { vcpus: order.vcpus }),
    ...(order.memoryMb !== undefined && { memory_mb: order.memoryMb }),
  };
  const { image } = from;
  if (!image)
    return { sandbox: await context.sandboxes.create(caller, { ...options, ...size }), plan, done: 0, keys };
  return await withImageTemplate(beginning, image, async (origin) => {
    const request = { ...options, ...size, origin, start: "cold" } as const;
    const sandbox = await context.sandboxes.create(caller, request);
    await context.layers.keep(caller, sandbox, first);
    return { sandbox, plan, done: 0, keys };
  });
}

/** A layer that is gone, whose host is away, or whose memory its host cannot continue. */
const USELESS = new Set(["not_found", "unavailable", "snapshot_incompatible", "snapshot_damaged"]);

interface Origin {
  /** Everything that a build begins with, as text. */
  origin: string;
  /** For people. */
  name: string;
  image?: FromImage;
}

async function originOf(beginning: Beginning): Promise<Origin> {
  const { context, caller, record, order } = beginning;
  const size = [order.vcpus ?? 0, order.memoryMb ?? 0];
  if (typeof order.parent !== "string") {
    const image = await resolveImage(beginning, order.parent);
    record.log("info", `the image is ${image.digest}`, "base");
    return {
      origin: JSON.stringify([VERSION, "image", image.digest, ...size]),
      name: record.template,
      image,
    };
  }
  const parent: TemplateRow = await context.templates.usable(caller, order.parent);
  const { type, store_name, rootfs_sha256, created_at } = parent;
  const content = type === "base" ? [rootfs_sha256, created_at.getTime()] : [store_name];
  return { origin: JSON.stringify([VERSION, type, ...content, ...size]), name: order.parent };
}
