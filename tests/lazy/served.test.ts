// Memory that is loaded while a process touches it, byte for byte, through the kernel's userfaultfd.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import fc from "fast-check";
import { LONG } from "./long.ts";
import {
  attach,
  dealt,
  refOf,
  serve,
  TrialBuilds,
  TrialMachine,
  threads,
  touchAll,
  touched,
} from "./scene.ts";

const BUILD_PAGES = 64;
const THREADS = 6;

describe("UffdServer", () => {
  const builds = new TrialBuilds();
  const machine = new TrialMachine();
  const names = Array.from({ length: 5 }, () => builds.add(BUILD_PAGES));
  after(async () => {
    await machine.kill();
    await threads[Symbol.asyncDispose]();
    builds[Symbol.dispose]();
  });

  /** Flat maps as after several generations: ranges of several builds and of zeros, in any mixture. */
  const memories = fc
    .array(
      fc.record({
        count: fc.integer({ min: 1, max: 40 }),
        build: fc.constantFrom(null, ...names),
        offset: fc.nat(BUILD_PAGES - 40),
      }),
      { minLength: 1, maxLength: 24 },
    )
    .map((rows) => {
      let end = 0;
      const segments = rows.map(({ count, build, offset }) => {
        const start = end;
        end += count;
        return { start, end, build, offset: build === null ? 0 : offset };
      });
      return { pages: end, segments };
    });

  const runs = fc.record({
    memory: memories,
    blockPages: fc.constantFrom(1, 3, 16, 64, 512),
    borders: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }),
    /** What is loaded unasked, given back and written, in shares of the memory. */
    workingSet: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 }),
    removals: fc.array(
      fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 50 })),
      {
        maxLength: 4,
      },
    ),
    writes: fc.nat(20),
  });

  it("gives every byte to many threads at once, however the memory is put together", async () => {
    await fc.assert(
      fc.asyncProperty(runs, async ({ memory, blockPages, borders, workingSet, removals, writes }) => {
        const { pages, segments } = memory;
        const at = (share: number) => Math.min(pages - 1, Math.floor(share * pages));
        const saved = builds.memory(pages, segments);
        const cuts = [...new Set([0, ...borders.map(at), pages])].sort((a, b) => a - b);
        const sizes = cuts.slice(1).map((cut, i) => cut - (cuts[i] as number));
        const set = [...new Set(workingSet.map(at))].sort((a, b) => a - b);
        const ranges = set.map((start, i) => ({ start, count: Math.min((set[i + 1] ?? pages) - start, 20) }));
        const served = serve(builds.dir, refOf(saved, ranges), { blockPages });
        await attach(machine, served, { whole: saved.whole, sizes });
        const written = new Set(Array.from({ length: writes }, (_, i) => at((i * 0.618) % 1)));
        const first = dealt(pages, THREADS, "saved").map((list) =>
          list.map((entry) => (written.has(entry >>> 3) ? touched("write", entry >>> 3) : entry)),
        );
        await machine.touch(...first);
        const gone = new Set<number>();
        for (const [share, count] of removals) {
          const start = at(share);
          await machine.do({ kind: "remove", start, count });
          for (let page = start; page < Math.min(start + count, pages); page++) gone.add(page);
        }
        const now = (page: number) => (gone.has(page) ? "zero" : written.has(page) ? "written" : "saved");
        const second = dealt(pages, THREADS, "saved").map((list) =>
          list.map((entry) => touched(now(entry >>> 3), entry >>> 3)),
        );
        await machine.touch(...second);
        await machine.do({ kind: "unmap" });
        assert.deepEqual(await served.server.ended, { kind: "gone" });
        await served.server.stop();
        // Only now: a machine may see a page before it is counted.
        const { copied, zeroed, prefetched, removed, faults } = served.server.counts();
        assert.ok(copied + zeroed + prefetched >= pages);
        assert.ok(removed >= gone.size && faults >= 1 - prefetched);
      }),
      { numRuns: LONG ? 2000 : 60, endOnFailure: true },
    );
  });

  it(`answers ${LONG ? "10 million" : "100,000"} single faults in random order rightly`, async () => {
    const pages = 25_000;
    const segments = Array.from({ length: pages / 50 }, (_, i) => ({
      start: i * 50,
      end: i * 50 + 50,
      build: i % 7 === 0 ? null : (names[i % names.length] as string),
      offset: i % 7 === 0 ? 0 : i % (BUILD_PAGES - 50),
    }));
    const saved = builds.memory(pages, segments);
    let faults = 0;
    for (let round = 0; round < (LONG ? 400 : 4); round++) {
      const served = serve(builds.dir, refOf(saved), { blockPages: 1 });
      await attach(machine, served, { whole: saved.whole, sizes: [pages] });
      await machine.touch(...dealt(pages, THREADS, "saved"));
      await machine.do({ kind: "unmap" });
      await served.server.stop();
      const counts = served.server.counts();
      assert.equal(counts.copied + counts.zeroed, pages);
      faults += counts.faults;
    }
    assert.ok(faults >= (LONG ? 10_000_000 : 100_000), `${faults} faults`);
  });

  it("gives zeros for what was given back, also while it is being given back", async () => {
    const pages = 4096;
    const saved = builds.plain(pages);
    const served = serve(builds.dir, refOf(saved), { blockPages: 8 });
    await attach(machine, served, { whole: saved.whole, sizes: [pages] });
    await machine.race(
      dealt(pages, THREADS, "either"),
      Array.from({ length: 256 }, (_, i) => ({ start: (i * 37) % pages, count: 11 })),
    );
    const gone = new Set(
      Array.from({ length: 256 * 11 }, (_, i) => ((Math.floor(i / 11) * 37) % pages) + (i % 11)),
    );
    const list = (what: "zero" | "saved") =>
      touchAll(
        what,
        Array.from({ length: pages }, (_, page) => page).filter(
          (page) => gone.has(page) === (what === "zero"),
        ),
      );
    await machine.touch(list("zero"), list("saved"));
    await machine.do({ kind: "unmap" });
    await served.server.stop();
  });

  it("gives zeros for what a machine gave back without a word", async () => {
    const saved = builds.plain(64);
    const served = serve(builds.dir, refOf(saved));
    await attach(machine, served, { whole: saved.whole, sizes: [64], reportRemovals: false });
    await machine.touch(...dealt(64, 2, "saved"));
    await machine.do({ kind: "remove", start: 8, count: 20 });
    await machine.touch(touchAll("zero", [8, 20, 27]), touchAll("saved", [7, 28]));
    assert.equal(served.server.counts().removed, 0);
    await machine.do({ kind: "unmap" });
    await served.server.stop();
  });

  it("goes on when a machine divides its mapping, or unmaps a part of it", async () => {
    const saved = builds.plain(256);
    const served = serve(builds.dir, refOf(saved, [{ start: 190, count: 30 }]), { prefetchRate: 1 });
    await attach(machine, served, { whole: saved.whole, sizes: [256] });
    await machine.do({ kind: "divide", start: 20, count: 7 });
    await machine.do({ kind: "divide", start: 33, count: 1 });
    await machine.do({ kind: "drop", start: 100, count: 50 });
    await machine.do({ kind: "drop", start: 200, count: 5 });
    const left = Array.from({ length: 256 }, (_, page) => page).filter(
      (page) => !(page >= 100 && page < 150) && !(page >= 200 && page < 205),
    );
    await machine.touch(touchAll("saved", left.toReversed()));
    await machine.do({ kind: "unmap" });
    assert.deepEqual(await served.server.ended, { kind: "gone" });
    await served.server.stop();
  });

  it("loads neighbours at once, within their block, and zeros without reading", async () => {
    const [build = ""] = names;
    const saved = builds.memory(64, [
      { start: 0, end: 40, build, offset: 0 },
      { start: 40, end: 64, build: null, offset: 0 },
    ]);
    const served = serve(builds.dir, refOf(saved), { blockPages: 16 });
    await attach(machine, served, { whole: saved.whole, sizes: [20, 44] });
    const { server } = served;
    await machine.touch(touchAll("saved", [5]));
    // To the border of the region, from the border of the region, to where zeros begin, and all zeros of a block.
    await machine.touch(touchAll("saved", [17]));
    await machine.touch(touchAll("saved", [30]));
    await machine.touch(touchAll("saved", [39]));
    await machine.touch(touchAll("zero", [63, 45]));
    await machine.do({ kind: "unmap" });
    await server.stop();
    assert.deepEqual(server.touched(), [
      { start: 0, count: 40 },
      { start: 48, count: 16 },
      { start: 40, count: 8 },
    ]);
    assert.deepEqual(server.counts(), { faults: 6, copied: 40, zeroed: 24, prefetched: 0, removed: 0 });
  });
});
