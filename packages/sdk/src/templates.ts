// Base templates: what sandboxes boot from, and how they are built.
import type { BuildTemplateRequest, Template, TemplateBuild, TemplateBuildLog } from "@wrenn/api";
import { WrennApiError } from "./error.ts";
import { type ListOptions, pages } from "./pages.ts";
import { type CallOptions, pause, type Transport, type WriteOptions } from "./transport.ts";

/** How often a build is looked at, in ms. */
const POLL_MS = 250;

export interface WaitForBuildOptions extends CallOptions {
  /** Called with the state of the build and its new log lines whenever there is something new. */
  onProgress?: (build: TemplateBuildLog) => void;
}

export class Templates {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The base templates, newest first. */
  list(options: ListOptions = {}): AsyncGenerator<Template, void, undefined> {
    return pages(this.#transport, "/v1/snapshots", { type: "base" }, options);
  }

  /**
   * Starts a build, from a recipe (YAML) or from the built-in recipe of that name.
   *
   *     await client.templates.build({ name: "minimal" });
   *     await client.templates.waitForBuild("minimal", { onProgress: ({ log }) => log.forEach(print) });
   */
  build(request: BuildTemplateRequest, options: WriteOptions = {}): Promise<TemplateBuild> {
    return this.#transport.json({ method: "POST", path: "/v1/templates", json: request, ...options });
  }

  /** The state of a build and its log from line `offset` on; at most 1000 lines. */
  getBuild(name: string, offset = 0, options: CallOptions = {}): Promise<TemplateBuildLog> {
    return this.#transport.json({
      method: "GET",
      path: `${pathOf(name)}/build`,
      query: { offset },
      ...options,
    });
  }

  /** Follows a build to its end. Throws {@link WrennApiError} when it fails. */
  async waitForBuild(name: string, { onProgress, signal }: WaitForBuildOptions = {}): Promise<TemplateBuild> {
    let offset = 0;
    let seen = "";
    for (;;) {
      const build = await this.getBuild(name, offset, { signal });
      const state = JSON.stringify([build.status, build.steps.map((step) => step.status)]);
      if (build.log.length > 0 || state !== seen) onProgress?.(build);
      const isWholeLog = build.log.length === 0;
      if (build.status !== "building" && isWholeLog) return finished(build);
      offset = build.next_offset;
      seen = state;
      if (isWholeLog) await pause(POLL_MS, signal);
    }
  }

  /** Builds a template from the built-in recipe of its name unless it is there, and waits until it can be used. */
  async ensure(name: string, options: WaitForBuildOptions = {}): Promise<void> {
    try {
      await this.build({ name }, { signal: options.signal });
    } catch (error) {
      if (!(error instanceof WrennApiError) || error.code !== "already_exists") throw error;
    }
    await this.waitForBuild(name, options);
  }

  /** Deletes a template. Sandboxes made from it live on. */
  delete(name: string, options: CallOptions = {}): Promise<void> {
    return this.#transport.empty({ method: "DELETE", path: pathOf(name), ...options });
  }
}

function finished({ log: _log, next_offset: _next, ...build }: TemplateBuildLog): TemplateBuild {
  if (build.status === "ready") return build;
  const message = `building the template ${build.name} failed: ${build.error ?? "no reason given"}`;
  throw new WrennApiError({ status: undefined, code: "internal", message });
}

function pathOf(name: string): string {
  return `/v1/templates/${encodeURIComponent(name)}`;
}
