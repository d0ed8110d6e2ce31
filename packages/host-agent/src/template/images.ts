// Base templates from images: of a registry, or of a directory of this machine.
import { assertName } from "@wrenn/core";
import {
  type ImageSources,
  openImage,
  type ResolvedImage,
  resolveImage,
  withImageRootfs,
} from "@wrenn/template";
import type { Logger } from "pino";
import type { Storage } from "../storage/storage.ts";
import type { BaseTemplate, TemplateRegistry } from "./registry.ts";

const RESOLVE_TIMEOUT_MS = 120_000;

export interface ImageName {
  reference: string;
  /** Empty for none; both go to the registry and nowhere else. */
  username: string;
  password: string;
}

export class ImageBuilds {
  readonly #registry: TemplateRegistry;
  readonly #storage: Storage;
  readonly #cacheDir: string;
  readonly #sources: ImageSources;
  readonly #log: Logger;
  readonly #closing = new AbortController();

  constructor(options: {
    registry: TemplateRegistry;
    storage: Storage;
    cacheDir: string;
    sources: ImageSources;
    log: Logger;
  }) {
    this.#registry = options.registry;
    this.#storage = options.storage;
    this.#cacheDir = options.cacheDir;
    this.#sources = options.sources;
    this.#log = options.log;
  }

  /** What the name stands for now. Throws what `openImage` and `resolveImage` throw. */
  async resolve(name: ImageName, signal: AbortSignal): Promise<{ image: ResolvedImage; pinned: string }> {
    const { source, version, pinned } = await this.#open(name);
    const within = this.#within(AbortSignal.any([signal, AbortSignal.timeout(RESOLVE_TIMEOUT_MS)]));
    const image = await resolveImage(source, version, within);
    return { image, pinned: pinned(image.digest) };
  }

  /** Makes the template. It has not booted yet. */
  async build(
    { name, image }: { name: string; image: ImageName },
    { signal, onLog }: { signal: AbortSignal; onLog: (line: string) => void },
  ): Promise<BaseTemplate> {
    assertName(name);
    const within = this.#within(signal);
    const { source, version } = await this.#open(image);
    const resolved = await resolveImage(source, version, within);
    const began = performance.now();
    const template = await withImageRootfs(
      {
        source,
        image: resolved,
        cacheDir: this.#cacheDir,
        signal: within,
        onLog,
        onStep: ({ name: step, done, millis = 0 }) => {
          if (done) onLog(`${step}: ${(millis / 1000).toFixed(1)} s`);
        },
      },
      (rootfs) =>
        this.#storage.guard(async () => {
          const base = await this.#registry.base(name, rootfs);
          await this.#registry.set(base);
          return base;
        }),
    );
    this.#log.info(
      { template: name, digest: resolved.digest, ms: performance.now() - began },
      "made an image",
    );
    return template;
  }

  /** Ends all builds; what they had written goes. */
  close(): void {
    this.#closing.abort(new Error("this host is shutting down"));
  }

  async #open({ reference, username, password }: ImageName) {
    const credentials = username === "" && password === "" ? undefined : { username, password };
    return await openImage(this.#sources, reference, credentials);
  }

  #within(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#closing.signal]);
  }
}
