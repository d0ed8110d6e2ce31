// The documents that describe an image (OCI image specification 1.1, and Docker's older ones, which say the same): read, not
// trusted.
import { MIB, WrennError } from "@wrenn/core";

/** Bytes of a manifest, an index or a configuration; registries refuse larger ones, too. */
export const MAX_DOCUMENT_BYTES: number = 4 * MIB;
const MAX_LAYERS = 256;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

export const INDEX_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
] as const;
export const MANIFEST_TYPES = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
] as const;

/** How a layer's archive is packed, by what its type ends in. */
const PACKINGS = [
  [/[.+]zstd$/, "zstd"],
  [/[.+]gzip$/, "gzip"],
  [/\.tar$/, "none"],
] as const;
export type Packing = (typeof PACKINGS)[number][1];

export interface Descriptor {
  /** `sha256:` and 64 hex digits. */
  digest: string;
  /** Bytes. */
  size: number;
}

export interface Layer extends Descriptor {
  packing: Packing;
  /** Digest of the archive when it is not packed. */
  diffId: string;
}

export interface ImageConfig {
  /** Digests of the unpacked layers, bottom first. */
  diffIds: string[];
  envs: Record<string, string>;
}

/** The manifest of an index for this platform's guests; nothing for a document that is none. Throws `invalid_argument`. */
export function chosenManifest(document: unknown): Descriptor | undefined {
  const { manifests } = record(document);
  if (!Array.isArray(manifests)) return undefined;
  const fitting = manifests.map(record).filter(({ platform, mediaType }) => {
    if (typeof mediaType === "string" && !isOneOf(mediaType, [...MANIFEST_TYPES, ...INDEX_TYPES]))
      return false;
    const { os = "linux", architecture = "amd64" } = record(platform);
    return os === "linux" && architecture === "amd64";
  });
  const [first] = fitting;
  if (!first) throw wrong("the image is not there for linux on amd64");
  return descriptor(first);
}

/** A manifest's configuration and layers as they are described; the digests of what is in them come from the first. */
export function parseManifest(document: unknown): { config: Descriptor; layers: Omit<Layer, "diffId">[] } {
  const { config, layers } = record(document);
  if (!Array.isArray(layers)) throw wrong("the image's manifest lists no layers");
  if (layers.length > MAX_LAYERS) throw tooLarge(`an image has at most ${MAX_LAYERS} layers`);
  return {
    config: descriptor(config),
    layers: layers.map((layer) => {
      const { mediaType } = record(layer);
      const packing = PACKINGS.find(([pattern]) => pattern.test(String(mediaType)))?.[1];
      if (!packing) throw wrong(`layers of type ${String(mediaType).slice(0, 100)} are not supported`);
      return { ...descriptor(layer), packing };
    }),
  };
}

export function parseConfig(document: unknown): ImageConfig {
  const { rootfs, config, os = "linux", architecture = "amd64" } = record(document);
  if (os !== "linux" || architecture !== "amd64") {
    throw wrong(`the image is for ${String(os)} on ${String(architecture)}, and guests are linux on amd64`);
  }
  const { diff_ids: diffIds } = record(rootfs);
  if (!Array.isArray(diffIds) || !diffIds.every(isDigest))
    throw wrong("the image does not say what is in its layers");
  const { Env: envs = [] } = record(config);
  return { diffIds, envs: environment(envs) };
}

function environment(entries: unknown): Record<string, string> {
  if (!Array.isArray(entries) && entries !== null) throw wrong("the image's variables are no list");
  const envs: Record<string, string> = {};
  for (const entry of entries ?? []) {
    const match = typeof entry === "string" ? /^([A-Za-z_][A-Za-z0-9_]{0,255})=([^\0]*)$/s.exec(entry) : null;
    // A variable that no shell can name is of no use to a program that is run by one.
    if (match?.[1] !== undefined) envs[match[1]] = match[2] ?? "";
  }
  return envs;
}

function descriptor(value: unknown): Descriptor {
  const { digest, size } = record(value);
  if (!isDigest(digest) || typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
    throw wrong("the image names content without a digest or a size");
  return { digest, size };
}

function isDigest(value: unknown): value is string {
  return typeof value === "string" && DIGEST.test(value);
}

function isOneOf(value: string, values: readonly string[]): boolean {
  return values.includes(value);
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function wrong(why: string): WrennError {
  return new WrennError("invalid_argument", why, { field: "fromImage" });
}

export function tooLarge(why: string): WrennError {
  return new WrennError("too_large", why, { field: "fromImage" });
}
