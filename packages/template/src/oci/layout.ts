// An image from a directory of this machine: an OCI image layout (image-layout.md of the image specification).
import { constants } from "node:fs";
import { open, realpath } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { WrennError } from "@wrenn/core";
import { type Descriptor, MAX_DOCUMENT_BYTES, tooLarge } from "./documents.ts";
import type { LayoutReference } from "./reference.ts";
import type { ImageSource } from "./source.ts";

/** Annotation of an index entry that holds its tag. */
const REF_NAME = "org.opencontainers.image.ref.name";

/**
 * The layout that is meant, below `root` and nowhere else: a link that leads out of it is refused.
 *
 * @throws `forbidden` where no directory is set apart for layouts; `not_found`.
 */
export async function openLayout(root: string | undefined, { path }: LayoutReference): Promise<ImageSource> {
  if (root === undefined) {
    throw new WrennError("forbidden", "no directory of images is set up here (WRENN_IMAGE_DIR)", {
      field: "fromImage",
    });
  }
  const [base, dir] = await Promise.all([real(root, path), real(join(root, path), path)]);
  if (!dir.startsWith(`${base}/`)) throw missing(path);
  return new LayoutSource(dir, path);
}

class LayoutSource implements ImageSource {
  readonly #dir: string;
  readonly #name: string;

  constructor(dir: string, name: string) {
    this.#dir = dir;
    this.#name = name;
  }

  async manifest(version: string, signal: AbortSignal): Promise<Buffer> {
    if (version.startsWith("sha256:")) return await this.#small(blobPath(version), signal);
    const index = JSON.parse(String(await this.#small("index.json", signal))) as { manifests?: unknown };
    const entries = (Array.isArray(index.manifests) ? index.manifests : []) as {
      digest?: string;
      annotations?: Record<string, string>;
    }[];
    const named = entries.filter(({ annotations }) => annotations?.[REF_NAME] === version);
    // Without a tag, the only image there is.
    const [found, other] = version === "" ? entries : named;
    if (found?.digest === undefined || (version === "" && other)) {
      throw missing(`${this.#name}${version === "" ? ", or it holds several" : `:${version}`}`);
    }
    return await this.#small(blobPath(found.digest), signal);
  }

  async blob({ digest }: Descriptor, signal: AbortSignal): Promise<Readable> {
    const file = await this.#open(blobPath(digest));
    return file.createReadStream({ signal });
  }

  async #small(path: string, signal: AbortSignal): Promise<Buffer> {
    await using file = await this.#open(path);
    const { size } = await file.stat();
    if (size > MAX_DOCUMENT_BYTES) throw tooLarge(`a document of image ${this.#name} is too large`);
    return await file.readFile({ signal });
  }

  /** Regular files only, without following a link. */
  async #open(path: string) {
    try {
      const file = await open(
        join(this.#dir, path),
        constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
      );
      if ((await file.stat()).isFile()) return file;
      await file.close();
    } catch (reason) {
      const { code = "" } = reason as NodeJS.ErrnoException;
      if (!["ENOENT", "ENOTDIR", "ELOOP"].includes(code)) throw reason;
    }
    throw missing(`${this.#name}: its ${path}`);
  }
}

function blobPath(digest: string): string {
  const match = /^sha256:([0-9a-f]{64})$/.exec(digest);
  if (!match) throw missing("with a digest of another kind than sha256");
  return `blobs/sha256/${match[1]}`;
}

async function real(path: string, name: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (cause) {
    throw missing(name, cause);
  }
}

function missing(what: string, cause?: unknown): WrennError {
  return new WrennError("not_found", `there is no image ${what}`, { field: "fromImage", cause });
}
