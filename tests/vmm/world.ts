// A template that is booted once for test files, and machines that continue from it.
import { existsSync, readdirSync } from "node:fs";
import { Scope } from "@wrenn/core";
import type { Machine, MachineSpec } from "@wrenn/vmm";
import { Lent } from "../lent.ts";
import { type Fixture, lastRound, makeFixture, reachRound } from "./guest.ts";
import { type Kept, keep } from "./state.ts";

/** Rounds until memory and disk hold something in every place. */
const WARM_ROUND = 6;

export interface Running {
  spec: MachineSpec;
  machine: Machine;
}

/** From now on all that borrow a world use one, until the function is called that comes back: a guest boots for seconds. */
export const keepWorld = () => worlds.lend();

export class World {
  readonly fixture: Fixture;
  readonly template: Kept;
  /** What the template's guest had completed when it was saved. */
  readonly round: number;
  readonly #scope: Scope;

  private constructor(parts: { fixture: Fixture; template: Kept; round: number; scope: Scope }) {
    this.fixture = parts.fixture;
    this.template = parts.template;
    this.round = parts.round;
    this.#scope = parts.scope;
  }

  /** One of a processor, for itself or, where one is kept, with other files. */
  static borrow(): Promise<World> {
    return worlds.borrow();
  }

  static async make(options: { vcpus?: number } = {}): Promise<World> {
    await using scope = new Scope();
    const fixture = await scope.take("fixture", makeFixture, (made) => made.close());
    const spec = await fixture.place(options);
    const machine = await scope.take(
      "template",
      () => fixture.vmm.start(spec),
      (started) => started.kill(),
    );
    await reachRound(spec, machine, WARM_ROUND);
    await machine.pause();
    const template = await scope.take(
      "image",
      () => keep(machine, spec),
      (kept) => kept[Symbol.dispose](),
    );
    const round = await lastRound(spec);
    return new World({ fixture, template, round, scope: scope.move() });
  }

  /** Of what {@link World.borrow} gave. */
  giveBack(): Promise<void> {
    return worlds.giveBack(this);
  }

  close(): Promise<void> {
    return this.#scope.close();
  }

  /** A machine to be started from the template's memory, on its disk unless told otherwise. */
  async place(options: { layers?: Kept["layers"]; vcpus?: number } = {}): Promise<MachineSpec> {
    const spec = await this.fixture.place({ layers: this.template.layers, ...options });
    return { ...spec, memory: { kind: "image", fd: this.template.image.fd } };
  }

  /** A machine that shares the template's memory and disk, and stands still. */
  async clone(): Promise<Running> {
    const spec = await this.place();
    const { devicesPath } = this.template;
    return { spec, machine: await this.fixture.vmm.restore(spec, { devicesPath }) };
  }

  /** What is left of a machine: processes in its group, and its control socket. */
  remains(spec: MachineSpec): { processes: number[]; socket: boolean } {
    return {
      processes: this.fixture.cgroups.open(spec.cgroup).members(),
      socket: existsSync(`${spec.dir}.qmp`),
    };
  }
}

const worlds = new Lent<World>(
  () => World.make(),
  (world) => world.close(),
);

export const NOTHING = { processes: [], socket: false };

/** Open descriptors of this process. */
export function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}
