import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Scope, WrennError } from "@wrenn/core";
import { pageMap, type Snapshot, type WrittenFiles, zeroMap } from "@wrenn/snapshot";
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
async function ways({
  fillsMemory = true,
  lazyFails = false,
  assertPages = async () => {},
}: {
  fillsMemory?: boolean;
  lazyFails?: boolean;
  assertPages?: WrittenFiles["assertPages"];
} = {}): Promise<string[]> {
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
      written: { assertPages, assertDevices: async () => {} },
    },
    memory: { acquire: async () => ({ fd: 9, release: () => {} }) },
    vmm: {
      fillsMemory,
      restore: async ({ memory }: MachineSpec) => {
        tried.push(`${memory?.kind}, ${holds} held`);
        if (memory?.kind === "lazy" && lazyFails) throw new Error("not today");
        return { kill: async () => tried.push("killed") } as unknown as Machine;
      },
    },
  } as unknown as HostContext;
  await using scope = new Scope();
  const start = {
    context,
    spec: { id: "sb-1" } as MachineSpec,
    snapshot: { id: "snapshot", devicesPath: "/nowhere" } as Snapshot,
    base: "base",
    scope,
    log: pino({ level: "silent" }),
  };
  await startSaved(start).catch((reason: unknown) => tried.push(WrennError.from(reason).code));
  return tried;
}

describe("startSaved()", () => {
  it("holds the saved pages for a memory that arrives, and for no other", async () => {
    assert.deepEqual(await ways(), ["lazy, 1 held"]);
    assert.deepEqual(await ways({ lazyFails: true }), ["lazy, 1 held", "image, 0 held"]);
  });

  it("lets nothing arrive that is damaged, nor shares it, and reads no more of it than a machine that fails needs", async () => {
    const damaged = async () => {
      throw new WrennError("snapshot_damaged", "memory is not what was written");
    };
    assert.deepEqual(await ways({ assertPages: damaged }), ["lazy, 1 held", "killed", "snapshot_damaged"]);
    let stopped = false;
    const long: WrittenFiles["assertPages"] = (_, signal) =>
      new Promise((_, reject) => {
        signal?.addEventListener("abort", () => {
          stopped = true;
          reject(signal.reason);
        });
      });
    assert.deepEqual(await ways({ lazyFails: true, assertPages: long }), ["lazy, 1 held", "image, 0 held"]);
    assert.ok(stopped);
  });

  it("left alone shares where nothing can be copied into a machine", async () => {
    assert.deepEqual(await ways({ fillsMemory: false }), ["image, 0 held"]);
  });
});
