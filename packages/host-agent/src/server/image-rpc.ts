// Images over the RPC.
import { WrennError } from "@wrenn/core";
import type { BuildImageRequest, ImageName, ResolveImageRequest } from "@wrenn/rpc/hostagent";
import type { ImageBuilds } from "../template/images.ts";
import type { BaseTemplate } from "../template/registry.ts";
import { templateInfo } from "./template-rpc.ts";

/** Lines that wait for a reader; more are dropped. */
const MAX_WAITING = 1_000;

export async function resolveImage(images: ImageBuilds, { image }: ResolveImageRequest, signal: AbortSignal) {
  const { image: resolved, pinned } = await images.resolve(named(image), signal);
  return { digest: resolved.digest, pinned, envs: resolved.config.envs };
}

/** Ends the work when its caller leaves. */
export async function* buildImage(images: ImageBuilds, request: BuildImageRequest, signal: AbortSignal) {
  const { name } = request;
  const left = new AbortController();
  const lines: string[] = [];
  let changed = Promise.withResolvers<void>();
  let template: BaseTemplate | undefined;
  let failure: unknown;
  const work = images
    .build(
      { name, image: named(request.image) },
      {
        signal: AbortSignal.any([signal, left.signal]),
        onLog: (line) => {
          if (lines.length < MAX_WAITING) lines.push(line);
          changed.resolve();
        },
      },
    )
    .then(
      (made) => {
        template = made;
      },
      (reason: unknown) => {
        failure = reason;
      },
    )
    .finally(() => changed.resolve());
  try {
    for (;;) {
      for (let line = lines.shift(); line !== undefined; line = lines.shift())
        yield { event: { case: "log", value: line } as const };
      if (failure !== undefined) throw failure;
      if (template) {
        yield { event: { case: "ready", value: templateInfo(template) } as const };
        return;
      }
      await changed.promise;
      changed = Promise.withResolvers();
    }
  } finally {
    left.abort(new WrennError("unavailable", "the caller has gone"));
    await work;
  }
}

function named(image: ImageName | undefined): ImageName {
  if (image) return image;
  throw new WrennError("invalid_argument", "image is missing", { field: "image" });
}
