// A memory in a file, to be loaded page by page.
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PageRange } from "@wrenn/core";
import { lazyPagesRef, type PageMap, pageMap, type Segment } from "@wrenn/snapshot";
import { type MachineSpec, PAGE_BYTES } from "@wrenn/vmm";
import type { Kept } from "./state.ts";
import type { Running, World } from "./world.ts";

const ZEROS = Buffer.alloc(PAGE_BYTES);
let files = 0;

export interface LazyOptions {
  workingSet?: readonly PageRange[];
  /** Part of the file that is there: 1 is all of it. */
  part?: number;
}

/** The template's memory as a whole. */
export function wholeMemory({ template }: World): Buffer {
  const memory = Buffer.alloc(template.image.bytes);
  template.image.read(0, memory);
  return memory;
}

/** A machine that is to continue from the template, or from what another one left, while its memory arrives. */
export async function placeLazily(
  world: World,
  { memory, layers = world.template.layers, workingSet = [], part = 1 }: LazyOptions & Partial<Saved> = {},
): Promise<MachineSpec> {
  const spec = await world.fixture.place({ layers });
  const { map, path } =
    memory || part < 1 ? store(memory ?? wholeMemory(world), world, part) : template(world);
  const pages = lazyPagesRef({ map, paths: map.builds.map(() => path), workingSet });
  return { ...spec, memory: { kind: "lazy", pages } };
}

/** The same, started and standing still. */
export async function cloneLazily(world: World, options: LazyOptions = {}): Promise<Running> {
  const spec = await placeLazily(world, options);
  const { devicesPath } = world.template;
  return { spec, machine: await world.fixture.vmm.restore(spec, { devicesPath }) };
}

export interface Saved {
  memory: Buffer;
  devicesPath: string;
  layers: Kept["layers"];
}

/** A machine that continues from what another one left. */
export async function restoreLazily(world: World, { devicesPath, ...saved }: Saved): Promise<Running> {
  const spec = await placeLazily(world, saved);
  return { spec, machine: await world.fixture.vmm.restore(spec, { devicesPath }) };
}

interface Stored {
  map: PageMap;
  path: string;
}

const templates = new WeakMap<World, Stored>();

function template(world: World): Stored {
  const stored = templates.get(world) ?? store(wholeMemory(world), world, 1);
  templates.set(world, stored);
  return stored;
}

function store(memory: Buffer, { fixture }: World, part: number): Stored {
  const path = join(fixture.dir, `memory${files++}`);
  writeFileSync(path, memory);
  const list: Segment[] = [];
  for (let page = 0; page * PAGE_BYTES < memory.length; page++) {
    const isZero = memory.compare(ZEROS, 0, PAGE_BYTES, page * PAGE_BYTES, (page + 1) * PAGE_BYTES) === 0;
    const rest = isZero ? { build: null, offset: 0 } : { build: "whole", offset: page };
    list.push({ start: page, end: page + 1, ...rest });
  }
  truncateSync(path, Math.floor((memory.length * part) / PAGE_BYTES) * PAGE_BYTES);
  return { map: pageMap(memory.length / PAGE_BYTES, list), path };
}
