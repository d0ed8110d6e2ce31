// Opening an image by its name, where the operator lets images come from.
import { openLayout } from "./layout.ts";
import { type ImageReference, parseReference, pinned } from "./reference.ts";
import { type AllowedRegistry, type Credentials, openRegistry } from "./registry.ts";
import type { ImageSource } from "./source.ts";

/** What the operator allows. */
export interface ImageSources {
  /** Directory below which layouts may lie; undefined: none may. */
  layoutDir: string | undefined;
  registries: readonly AllowedRegistry[];
}

export interface OpenImage {
  source: ImageSource;
  /** Tag or digest; empty for the only one of a layout. */
  version: string;
  /** The name of the same image by its digest. */
  pinned(digest: string): string;
}

/** Throws `invalid_argument` for what is no name, `forbidden` for what is not allowed, `not_found`. */
export async function openImage(
  sources: ImageSources,
  name: string,
  credentials?: Credentials,
): Promise<OpenImage> {
  const reference = parseReference(name);
  return {
    source: await sourceOf(sources, reference, credentials),
    version: reference.version ?? "",
    pinned: (digest) => pinned(reference, digest),
  };
}

async function sourceOf(
  { layoutDir, registries }: ImageSources,
  reference: ImageReference,
  credentials: Credentials | undefined,
): Promise<ImageSource> {
  return reference.kind === "layout"
    ? await openLayout(layoutDir, reference)
    : openRegistry(registries, reference, credentials);
}

/** `registry.example,plain:127.0.0.1:5000` as it stands in the settings; `plain:` means without TLS. Throws for anything else. */
export function parseRegistries(text: string): AllowedRegistry[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => {
      const plain = part.startsWith("plain:");
      const name = plain ? part.slice("plain:".length) : part;
      const probe = parseReference(`${name.includes(".") || name.includes(":") ? name : `${name}:0`}/x`);
      if (probe.kind !== "registry" || (probe.registry !== name && name !== "localhost"))
        throw new Error(`"${part}" is no registry: HOST or HOST:PORT, or plain:HOST:PORT without TLS`);
      return { name, plain };
    });
}
