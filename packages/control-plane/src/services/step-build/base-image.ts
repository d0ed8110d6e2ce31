// A build that begins with an image: a host makes a base template of it that nobody else sees, for this build alone.
import { REQUEST_ID_HEADER } from "@wrenn/api";
import { BOUNDS, WrennError } from "@wrenn/core";
import type { TemplateInfo } from "@wrenn/rpc/hostagent";
import type { TemplateRow } from "../../db/schema.ts";
import { fromRpc } from "../../hosts/errors.ts";
import type { Host } from "../../hosts/host.ts";
import { newStoreName } from "../store-name.ts";
import type { Beginning } from "./begin.ts";
import type { ImageOrder } from "./builder.ts";
import { BUILD_SEC } from "./plan.ts";

const RESOLVE_TIMEOUT_MS = 130_000;
const DELETE_TIMEOUT_MS = 30_000;

export interface FromImage {
  /** Of its manifest: stands for all that is in it. */
  digest: string;
  envs: Record<string, string>;
  /** The same image by its digest, with the credentials for it. */
  order: ImageOrder;
  host: Host;
}

/** What the name stands for now. Throws what the host refuses with. */
export async function resolveImage({ context, caller }: Beginning, order: ImageOrder): Promise<FromImage> {
  const [host] = await context.hosts.fresh();
  if (!host) throw new WrennError("unavailable", "no host can be reached; try again", { retryAfterSec: 1 });
  const { digest, envs, pinned } = await host.client.call(
    "resolveImage",
    { image: order },
    {
      attempted: `looking for image ${order.reference}`,
      requestId: caller.requestId,
      timeoutMs: RESOLVE_TIMEOUT_MS,
    },
  );
  return { digest, envs: { ...envs }, order: { ...order, reference: pinned }, host };
}

/** Has the host make the template, hands it to `use`, and takes its name away: what was made of it keeps its content. */
export async function withImageTemplate<T>(
  { context, caller, record }: Beginning,
  { order, host }: FromImage,
  use: (origin: TemplateRow) => Promise<T>,
): Promise<T> {
  const name = newStoreName(context.worker, "image");
  return await context.inFlight.run(name, async () => {
    try {
      const made = await build(host, { name, order, requestId: caller.requestId }, (line) =>
        record.log("info", line, "base"),
      );
      await context.hosts.refresh();
      return await use(rowOf(made));
    } finally {
      const call = {
        attempted: "tidying up after an image",
        requestId: caller.requestId,
        timeoutMs: DELETE_TIMEOUT_MS,
      };
      // What stays because of a failure, the reconciler finds.
      await host.client.call("deleteTemplate", { name }, call).catch(() => undefined);
    }
  });
}

async function build(
  { client }: Host,
  { name, order, requestId }: { name: string; order: ImageOrder; requestId: string },
  onLine: (line: string) => void,
): Promise<TemplateInfo> {
  const options = { headers: { [REQUEST_ID_HEADER]: requestId }, timeoutMs: BUILD_SEC * 1000 };
  let made: TemplateInfo | undefined;
  try {
    // To its end: a stream that is left early keeps its deadline's timer.
    for await (const { event } of client.rpc.buildImage({ name, image: order }, options)) {
      if (event.case === "log") onLine(event.value);
      if (event.case === "ready") made = event.value;
    }
  } catch (reason) {
    throw fromRpc(reason, `making a template of image ${order.reference}`);
  }
  if (made) return made;
  throw new WrennError("internal", "the host stopped making a template of the image");
}

/** As a row would be that no list shows. */
function rowOf({ name, sizeBytes, rootfsSha256 }: TemplateInfo): TemplateRow {
  const now = new Date();
  return {
    name,
    tag: "default",
    owner: null,
    type: "base",
    status: "ready",
    store_name: name,
    vcpus: BOUNDS.vcpus.default,
    memory_mb: BOUNDS.memory_mb.default,
    disk_mb: null,
    sandbox_id: null,
    size_bytes: Number(sizeBytes),
    rootfs_sha256: rootfsSha256,
    error: null,
    config: null,
    worker: null,
    build_started: null,
    build_finished: null,
    created_at: now,
    last_updated: now,
  };
}
