// An image brought to this machine: every byte checked against its digest, its layers unpacked to plain archives.
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { WrennError } from "@wrenn/core";
import {
  chosenManifest,
  type Descriptor,
  type ImageConfig,
  type Layer,
  MAX_DOCUMENT_BYTES,
  parseConfig,
  parseManifest,
  tooLarge,
} from "./documents.ts";
import { MAX_IMAGE, scanned } from "./scan.ts";
import type { ImageSource } from "./source.ts";

/** What is known of an image before its layers are here. */
export interface ResolvedImage {
  /** Of the manifest for this platform. */
  digest: string;
  config: ImageConfig;
  layers: Layer[];
}

/** Packed layers of one image. */
const MAX_PACKED_BYTES = MAX_IMAGE.bytes / 2;

/** Finds out what a version stands for. Throws `not_found`, `invalid_argument`, `too_large`, `unavailable`. */
export async function resolveImage(
  source: ImageSource,
  version: string,
  signal: AbortSignal,
): Promise<ResolvedImage> {
  let bytes = await source.manifest(version, signal);
  if (version.startsWith("sha256:")) assertDigest(bytes, version);
  let document = parseJson(bytes);
  const chosen = chosenManifest(document);
  if (chosen) {
    bytes = await source.manifest(chosen.digest, signal);
    assertDigest(bytes, chosen.digest);
    document = parseJson(bytes);
  }
  const { config: described, layers } = parseManifest(document);
  const config = parseConfig(parseJson(await readWhole(source, described, signal)));
  if (config.diffIds.length !== layers.length) {
    throw broken("its manifest and its configuration disagree about the number of layers");
  }
  if (layers.reduce((sum, { size }) => sum + size, 0) > MAX_PACKED_BYTES)
    throw tooLarge(`the layers of an image have at most ${MAX_PACKED_BYTES} bytes`);
  return {
    digest: digestOf(bytes),
    config,
    layers: layers.map((layer, at) => ({ ...layer, diffId: config.diffIds[at] ?? "" })),
  };
}

/** Writes the image as a layout of plain archives to `dir`, under the tag `image`. */
export async function pullImage(
  source: ImageSource,
  { config, layers }: ResolvedImage,
  { dir, signal, onLog }: { dir: string; signal: AbortSignal; onLog: (line: string) => void },
): Promise<void> {
  const blobs = join(dir, "blobs/sha256");
  await mkdir(blobs, { recursive: true });
  const left = { ...MAX_IMAGE };
  const sizes: number[] = [];
  for (const [at, layer] of layers.entries()) {
    onLog(`layer ${at + 1} of ${layers.length}: ${layer.digest.slice(0, 19)}, ${layer.size} bytes`);
    sizes.push(await unpackLayer(source, layer, { path: join(blobs, hexOf(layer.diffId)), left, signal }));
  }
  const put = async (document: unknown): Promise<Descriptor> => {
    const bytes = Buffer.from(JSON.stringify(document));
    const digest = digestOf(bytes);
    await writeFile(join(blobs, hexOf(digest)), bytes);
    return { digest, size: bytes.length };
  };
  const rootfs = { type: "layers", diff_ids: config.diffIds };
  const described = await put({ os: "linux", architecture: "amd64", config: {}, rootfs });
  const manifest = await put({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: { mediaType: "application/vnd.oci.image.config.v1+json", ...described },
    layers: layers.map(({ diffId }, at) => ({
      mediaType: "application/vnd.oci.image.layer.v1.tar",
      digest: diffId,
      size: sizes[at],
    })),
  });
  const annotations = { "org.opencontainers.image.ref.name": "image" };
  const entry = { mediaType: "application/vnd.oci.image.manifest.v1+json", ...manifest, annotations };
  await writeFile(join(dir, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  await writeFile(join(dir, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
}

async function unpackLayer(
  source: ImageSource,
  layer: Layer,
  { path, left, signal }: { path: string; left: { bytes: number; entries: number }; signal: AbortSignal },
): Promise<number> {
  const packed = measured(layer.digest, layer.size);
  const plain = measured(layer.diffId);
  const stream = await source.blob(layer, signal);
  // Last, and into the pipeline at once, which closes it and hears of its errors.
  const file = createWriteStream(`${path}.new`, { flags: "w", mode: 0o600 });
  try {
    await (layer.packing === "none"
      ? pipeline(stream, packed.stream, scanned(left), plain.stream, file, { signal })
      : pipeline(stream, packed.stream, unpacker(layer.packing), scanned(left), plain.stream, file, {
          signal,
        }));
  } catch (reason) {
    if (signal.aborted) throw signal.reason;
    const { code = "" } = reason as NodeJS.ErrnoException;
    if (code.startsWith("Z_") || code.startsWith("ZSTD_")) throw broken("a layer cannot be unpacked", reason);
    throw reason;
  }
  packed.assert();
  await rename(`${path}.new`, path);
  return plain.assert();
}

function unpacker(packing: "gzip" | "zstd"): Transform {
  return packing === "gzip" ? createGunzip() : createZstdDecompress();
}

/** Passes bytes on and hashes them; more than `size` is an error at once. */
function measured(digest: string, size?: number): { stream: Transform; assert: () => number } {
  const hash = createHash("sha256");
  let bytes = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      hash.update(chunk);
      if (size !== undefined && bytes > size) done(broken(`${digest} is larger than it is said to be`));
      else done(null, chunk);
    },
  });
  return {
    stream,
    assert: () => {
      if (`sha256:${hash.digest("hex")}` !== digest)
        throw broken(`what arrived for ${digest} is something else`);
      return bytes;
    },
  };
}

async function readWhole(source: ImageSource, wanted: Descriptor, signal: AbortSignal): Promise<Buffer> {
  if (wanted.size > MAX_DOCUMENT_BYTES) throw tooLarge("the image's configuration is too large");
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of (await source.blob(wanted, signal)) as Readable & AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > wanted.size) throw broken(`${wanted.digest} is larger than it is said to be`);
    chunks.push(Buffer.from(chunk));
  }
  const bytes = Buffer.concat(chunks);
  assertDigest(bytes, wanted.digest);
  return bytes;
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw broken("a document of it is no JSON", cause);
  }
}

function assertDigest(bytes: Buffer, digest: string): void {
  if (digestOf(bytes) !== digest) throw broken(`what arrived for ${digest} is something else`);
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function hexOf(digest: string): string {
  return digest.slice("sha256:".length);
}

function broken(why: string, cause?: unknown): WrennError {
  return new WrennError("invalid_argument", `the image is damaged: ${why}`, { field: "fromImage", cause });
}
