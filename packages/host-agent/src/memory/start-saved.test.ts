import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Scope } from "@wrenn/core";
import { pageMap, type Snapshot, zeroMap } from "@wrenn/snapshot";
import type { Machine, MachineSpec } from "@wrenn/vmm";
import { pino } from "pino";
import type { HostContext } from "../sandbox/context.ts";
import { LAZY_FROM_BYTES } from "./choose-memory.ts";
import { startSaved } from "./start-saved.ts";

const PAGES = LAZY_FROM_BYTES / 4096;
const MAPS = new Map([
  ["base", zeroMap(PAGES)],
  ["snapshot", pageMap(PAGES, [{ start: 0, end: PAGES, build: "snapshot", offset: 0 }])],
]);

/** Starts a machine that differs from its base in all that it has. Returns the ways in which it was tried. */
async function ways({ fillsMemory = true, lazyFails = false } = {}): Promise<string[]> {
  const tried: string[] = [];
  let holds = 0;
  const context = {
    lazyMemory: { setting: "auto", works: true, workingSets: { of: async () => [] } },
    storage: {
      hold: () => {
        holds += 1;
        let held = true;
        return () => {
          if (held) holds -= 1;
          held = false;
        };
      },
    },
    snapshots: {
      map: async (id: string) => MAPS.get(id),
      lazyPages: async () => ({ module: "", data: null }),
    },
    memory: { acquire: async () => ({ fd: 9, release: () => {} }) },
    vmm: {
      fillsMemory,
      restore: async ({ memory }: MachineSpec) => {
        tried.push(`${memory?.kind}, ${holds} held`);
        if (memory?.kind === "lazy" && lazyFails) throw new Error("not today");
        return {} as Machine;
      },
    },
  } as unknown as HostContext;
  await using scope = new Scope();
  await startSaved({
    context,
    spec: { id: "sb-1" } as MachineSpec,
    snapshot: { id: "snapshot", devicesPath: "/nowhere" } as Snapshot,
    base: "base",
    scope,
    log: pino({ level: "silent" }),
  });
  return tried;
}

describe("startSaved()", () => {
  it("holds the saved pages for a memory that arrives, and for no other", async () => {
    assert.deepEqual(await ways(), ["lazy, 1 held"]);
    assert.deepEqual(await ways({ lazyFails: true }), ["lazy, 1 held", "image, 0 held"]);
  });

  it("left alone shares where nothing can be copied into a machine", async () => {
    assert.deepEqual(await ways({ fillsMemory: false }), ["image, 0 held"]);
  });
});
