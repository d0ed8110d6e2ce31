// Building base templates: one build per name at a time, which any number of callers may follow.
import { assertName, WrennError } from "@wrenn/core";
import { buildRootfs, builtinRecipe, parseRecipe } from "@wrenn/template";
import type { Logger } from "pino";
import type { TemplateImage, TemplateRegistry } from "./registry.ts";

export type BuildEvent =
  | { type: "step"; name: string; done: boolean; millis: number }
  | { type: "log"; line: string }
  | { type: "ready"; image: TemplateImage };

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
  readonly #cacheDir: string;
  readonly #log: Logger;
  readonly #closing = new AbortController();

  constructor(options: { registry: TemplateRegistry; cacheDir: string; log: Logger }) {
    this.#registry = options.registry;
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
      await this.#registry.guestImages();
      push(build, { type: "ready", image: await this.#registry.add(name, rootfs) });
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
