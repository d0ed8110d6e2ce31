// Building base templates: one build per name at a time, which any number of callers may follow.
import { assertName, BOUNDS, WrennError } from "@wrenn/core";
import { buildRootfs, builtinRecipe, parseRecipe } from "@wrenn/template";
import type { Logger } from "pino";
import type { Storage } from "../storage/storage.ts";
import type { BaseTemplate, TemplateRegistry } from "./registry.ts";
import type { Shape, WarmTemplates } from "./warm.ts";

export type BuildEvent =
  | { type: "step"; name: string; done: boolean; millis: number }
  | { type: "log"; line: string }
  | { type: "ready"; template: BaseTemplate };

/** What a sandbox is when its caller names nothing. */
const DEFAULT_SHAPE: Shape = {
  vcpus: BOUNDS.vcpus.default,
  memoryMb: BOUNDS.memory_mb.default,
  diskMb: BOUNDS.disk_mb.default,
};

/** Events kept for followers that join late; older log lines are dropped first come, first gone. */
const MAX_EVENTS = 5000;

interface Build {
  events: BuildEvent[];
  dropped: number;
  /** Resolved and replaced whenever something was added. */
  changed: PromiseWithResolvers<void>;
  recipe: string;
  finished: boolean;
  failure: WrennError | undefined;
}

export class TemplateBuilds {
  readonly #builds = new Map<string, Build>();
  readonly #registry: TemplateRegistry;
  readonly #warm: WarmTemplates;
  readonly #storage: Storage;
  readonly #cacheDir: string;
  readonly #log: Logger;
  readonly #closing = new AbortController();

  constructor(options: {
    registry: TemplateRegistry;
    warm: WarmTemplates;
    storage: Storage;
    cacheDir: string;
    log: Logger;
  }) {
    this.#registry = options.registry;
    this.#warm = options.warm;
    this.#storage = options.storage;
    this.#cacheDir = options.cacheDir;
    this.#log = options.log;
  }

  /**
   * Starts a build, or joins the one of that name and recipe, and yields all of its events from the first. The build goes
   * on when a follower leaves. Throws what the build failed with; `already_exists` when the name is being built from
   * another recipe.
   */
  async *follow(name: string, recipe: string): AsyncGenerator<BuildEvent> {
    assertName(name);
    const build = this.#builds.get(name) ?? this.#begin(name, recipe);
    if (build.recipe !== recipe) {
      throw new WrennError(
        "already_exists",
        `template ${name} is being built from another recipe; wait for it`,
      );
    }
    for (let at = 0; ; ) {
      at = Math.max(at, build.dropped);
      const event = build.events[at - build.dropped];
      if (event) {
        at++;
        yield event;
      } else if (build.failure) throw build.failure;
      else if (build.finished) return;
      else await build.changed.promise;
    }
  }

  /** Ends all builds; what they had written goes. */
  close(): void {
    this.#closing.abort(new WrennError("unavailable", "this host is shutting down"));
  }

  /**
   * A template that does not boot is no template: the failure is the build's. One whose root file system and guest parts
   * are those of a booted copy that is whole has booted.
   */
  async #bootOnce(build: Build, template: BaseTemplate): Promise<void> {
    if (await this.#warm.isWhole(template, DEFAULT_SHAPE)) return;
    const name = "boot once";
    const began = performance.now();
    push(build, { type: "step", name, done: false, millis: 0 });
    await this.#warm.make(template, DEFAULT_SHAPE);
    push(build, { type: "step", name, done: true, millis: performance.now() - began });
  }

  #begin(name: string, recipeText: string): Build {
    const recipe = recipeText === "" ? builtinRecipe(name) : parseRecipe(recipeText);
    const build: Build = {
      events: [],
      dropped: 0,
      changed: Promise.withResolvers(),
      recipe: recipeText,
      finished: false,
      failure: undefined,
    };
    this.#builds.set(name, build);
    const work = async () => {
      const rootfs = await buildRootfs({
        recipe,
        cacheDir: this.#cacheDir,
        onStep: (step) =>
          push(build, { type: "step", name: step.name, done: step.done, millis: step.millis ?? 0 }),
        onLog: (line) => push(build, { type: "log", line }),
        signal: this.#closing.signal,
      });
      const template = await this.#storage.guard(async () => {
        const base = await this.#registry.base(name, rootfs);
        await this.#registry.set(base);
        return base;
      });
      await this.#bootOnce(build, template);
      this.#storage.collect();
      push(build, { type: "ready", template });
    };
    work()
      .catch((reason: unknown) => {
        this.#log.error({ err: reason, template: name }, "template build failed");
        build.failure = WrennError.from(
          reason,
          `template ${name} could not be built; see the host agent's log`,
        );
      })
      .finally(() => {
        build.finished = true;
        this.#builds.delete(name);
        build.changed.resolve();
      });
    return build;
  }
}

function push(build: Build, event: BuildEvent): void {
  build.events.push(event);
  if (build.events.length > MAX_EVENTS) {
    build.events.shift();
    build.dropped++;
  }
  const changed = build.changed;
  build.changed = Promise.withResolvers();
  changed.resolve();
}
