// For tests: images as documents and blobs, as a layout in a directory, and in a registry on this machine's loopback.
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { archive, digestOf, type Entry } from "./archive.ts";

export interface TestImage {
  /** By digest. */
  blobs: Map<string, Buffer>;
  /** Digest of the manifest. */
  manifest: string;
}

export interface ImageOptions {
  envs?: string[];
  packing?: "gzip" | "zstd" | "none";
  architecture?: string;
  /** Whether an index stands in front of the manifest. */
  index?: boolean;
}

/** An image of layers, each a list of entries or an archive. */
export function makeImage(
  layers: readonly (readonly Entry[] | Buffer)[],
  options: ImageOptions = {},
): TestImage {
  const { envs = [], packing = "gzip", architecture = "amd64", index = false } = options;
  const blobs = new Map<string, Buffer>();
  const put = (bytes: Buffer) => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { digest, size: bytes.length };
  };
  const document = (content: unknown) => put(Buffer.from(JSON.stringify(content)));
  const archives = layers.map((layer) => (Buffer.isBuffer(layer) ? layer : archive(layer)));
  const pack = { gzip: gzipSync, zstd: zstdCompressSync, none: (bytes: Buffer) => bytes }[packing];
  const ending = packing === "none" ? "" : `+${packing}`;
  const config = document({
    os: "linux",
    architecture,
    config: { Env: envs },
    rootfs: { type: "layers", diff_ids: archives.map(digestOf) },
  });
  const manifest = document({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
    layers: archives.map((bytes) => ({
      mediaType: `application/vnd.oci.image.layer.v1.tar${ending}`,
      ...put(pack(bytes)),
    })),
  });
  if (!index) return { blobs, manifest: manifest.digest };
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const other = { mediaType, ...document({}), platform: { os: "linux", architecture: "arm64" } };
  const ours = { mediaType, ...manifest, platform: { os: "linux", architecture } };
  return { blobs, manifest: document({ schemaVersion: 2, manifests: [other, ours] }).digest };
}

/** Writes images as one layout, by their tags. */
export async function writeLayout(dir: string, images: Readonly<Record<string, TestImage>>): Promise<void> {
  await mkdir(join(dir, "blobs/sha256"), { recursive: true });
  const manifests = [];
  for (const [tag, { blobs, manifest }] of Object.entries(images)) {
    for (const [digest, bytes] of blobs) await writeFile(join(dir, "blobs/sha256", digest.slice(7)), bytes);
    const annotations = { "org.opencontainers.image.ref.name": tag };
    manifests.push({ digest: manifest, size: blobs.get(manifest)?.length, annotations });
  }
  await writeFile(join(dir, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
  await writeFile(join(dir, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
}

/** A registry with one repository `app`, tag `v1`. */
export class TestRegistry implements AsyncDisposable {
  readonly image: TestImage;
  /** What has to be shown: nothing, `Basic`, or a token that is given for a password. */
  guard: "none" | "basic" | "token" = "none";
  readonly username = "somebody";
  readonly password = "a secret of the test";
  /** What is said when a token is asked for. */
  token = JSON.stringify({ token: "the-token" });
  /** Where blobs are sent for; itself when undefined. */
  redirect: string | undefined;
  /** `authorization` of each request, and its path. */
  readonly asked: { path: string; authorization: string | undefined }[] = [];
  readonly #server: Server;

  private constructor(image: TestImage) {
    this.image = image;
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async start(image: TestImage): Promise<TestRegistry> {
    const registry = new TestRegistry(image);
    registry.#server.listen(0, "127.0.0.1");
    await once(registry.#server, "listening");
    return registry;
  }

  /** `127.0.0.1:PORT` */
  get name(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  #answer({ url = "", headers }: IncomingMessage, response: ServerResponse): void {
    const { authorization } = headers;
    this.asked.push({ path: url, authorization });
    const basic = `Basic ${Buffer.from(`${this.username}:${this.password}`).toString("base64")}`;
    if (url.startsWith("/token")) {
      response.writeHead(authorization === basic ? 200 : 401).end(this.token);
      return;
    }
    const wanted = { none: undefined, basic, token: "Bearer the-token" }[this.guard];
    if (wanted !== undefined && authorization !== wanted) {
      const challenge =
        this.guard === "basic"
          ? 'Basic realm="test"'
          : `Bearer realm="http://${this.name}/token",service="test",scope="repository:app:pull"`;
      response
        .writeHead(401, { "www-authenticate": challenge })
        .end(JSON.stringify({ errors: [authorization] }));
      return;
    }
    const [, kind, reference = ""] = /^\/v2\/app\/(manifests|blobs)\/(.+)$/.exec(url) ?? [];
    if (kind === "blobs" && this.redirect !== undefined) {
      response.writeHead(307, { location: `${this.redirect}${url}` }).end();
      return;
    }
    const digest = reference === "v1" ? this.image.manifest : reference;
    const bytes = this.image.blobs.get(digest);
    response.writeHead(bytes ? 200 : 404).end(bytes);
  }
}
