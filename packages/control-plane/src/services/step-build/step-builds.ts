// All builds from steps of this process: asked for, started, followed.
import { randomUUID } from "node:crypto";
import { assertName, WrennError } from "@wrenn/core";
import type { Caller } from "../caller.ts";
import { StepBuildRecord } from "./build-log.ts";
import { type BuilderContext, type BuildOrder, carryOut } from "./builder.ts";

/** Builds remembered; the oldest ended one goes first. */
const MAX_REMEMBERED = 100;

export interface BuildSize {
  vcpus?: number | undefined;
  memoryMb?: number | undefined;
}

export class StepBuildService {
  readonly #context: BuilderContext;
  readonly #builds = new Map<string, { record: StepBuildRecord; size: BuildSize }>();

  constructor(context: BuilderContext) {
    this.#context = context;
  }

  /** Asks for a build; nothing happens yet. Throws `unavailable` when too many are under way. */
  request(
    caller: Caller,
    { name, tags }: { name: string; tags: readonly string[] },
    size: BuildSize,
  ): StepBuildRecord {
    assertName(name);
    for (const [id, { record }] of this.#builds) {
      if (this.#builds.size < MAX_REMEMBERED) break;
      if (record.over) this.#builds.delete(id);
    }
    if (this.#builds.size >= MAX_REMEMBERED) {
      throw new WrennError("unavailable", "too many builds are under way; try again", { retryAfterSec: 30 });
    }
    const record = new StepBuildRecord({ id: randomUUID(), owner: caller.owner, template: name, tags });
    this.#builds.set(record.id, { record, size });
    return record;
  }

  /** Starts a build that was asked for. Throws `not_found`, or `invalid_state` when it has been started. */
  start(caller: Caller, id: string, order: Omit<BuildOrder, keyof BuildSize>): void {
    const { record, size } = this.#find(caller, id);
    if (record.status !== "waiting") throw new WrennError("invalid_state", `build ${id} has been started`);
    record.status = "building";
    void this.#context.inFlight.run(`build ${id}`, () =>
      carryOut(this.#context, caller, record, { ...order, ...size }),
    );
  }

  /** Throws `not_found`. */
  get(caller: Caller, id: string): StepBuildRecord {
    return this.#find(caller, id).record;
  }

  #find(caller: Caller, id: string): { record: StepBuildRecord; size: BuildSize } {
    const build = this.#builds.get(id);
    if (build?.record.owner !== caller.owner) throw new WrennError("not_found", `you have no build ${id}`);
    return build;
  }
}
