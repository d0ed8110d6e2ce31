// A recorded working set is loaded before anybody asks, at its own pace, and nothing else is.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { until } from "@wrenn/linux";
import { attach, PAGE_BYTES, refOf, serve, TrialBuilds, TrialMachine, threads, touchAll } from "./scene.ts";

const PAGES = 4096;
const SET = [
  { start: 1000, count: 40 },
  { start: 10, count: 5 },
  { start: 3000, count: 300 },
];

describe("UffdServer with a working set", () => {
  const builds = new TrialBuilds();
  const saved = builds.plain(PAGES);
  const machine = new TrialMachine();
  const description = { whole: saved.whole, sizes: [1500, PAGES - 1500] };
  after(async () => {
    await machine.kill();
    await threads[Symbol.asyncDispose]();
    builds[Symbol.dispose]();
  });

  it("loads it, each page once, and leaves the rest where it is", async () => {
    const { server, socket } = serve(builds.dir, refOf(saved, SET));
    await attach(machine, { server, socket }, description);
    assert.ok(await until(() => server.counts().prefetched >= 345, { timeoutMs: 10_000 }));
    await machine.touch(touchAll("saved", [1000, 1039, 10, 14, 3000, 3299]));
    assert.deepEqual(server.counts(), { faults: 0, copied: 0, zeroed: 0, prefetched: 345, removed: 0 });
    // What was asked for in spite of it is what a next recording adds.
    assert.deepEqual(server.touched(), []);
    await machine.touch(touchAll("saved", [9]));
    await machine.do({ kind: "unmap" });
    await server.stop();
    assert.deepEqual(server.touched(), [{ start: 0, count: 10 }]);
  });

  it("loads all the rest when it is told to, and the machine needs nobody any more", async () => {
    const { server, socket } = serve(builds.dir, refOf(saved, SET), { blockPages: 64 });
    await attach(machine, { server, socket }, description);
    await machine.do({ kind: "remove", start: 2000, count: 10 });
    await Promise.all([
      server.loadRest(),
      machine.touch(
        touchAll(
          "saved",
          Array.from({ length: 100 }, (_, i) => i * 17),
        ),
      ),
    ]);
    await server.loadRest();
    const { copied, prefetched } = server.counts();
    assert.equal(copied + prefetched, PAGES - 10);
    // Also what was given back is still answered.
    await machine.touch(touchAll("zero", [2000, 2009]));
    await server.stop();
    const all = Array.from({ length: PAGES }, (_, page) => page);
    await machine.touch(
      touchAll(
        "saved",
        all.filter((page) => page < 2000 || page >= 2010),
      ),
    );
    await machine.do({ kind: "unmap" });
    await assert.rejects(serveNothing(), { code: "unavailable" });
  });

  /** Told to load a machine's memory which never comes. */
  async function serveNothing(): Promise<void> {
    const { server } = serve(builds.dir, refOf(saved));
    const loaded = server.loadRest();
    await server.stop();
    await loaded;
  }

  it("keeps to its rate, and answers faults meanwhile", async () => {
    const rate = 100 * PAGE_BYTES;
    const began = performance.now();
    const { server, socket } = serve(builds.dir, refOf(saved, SET), { prefetchRate: rate, blockPages: 8 });
    await attach(machine, { server, socket }, description);
    await machine.touch(
      touchAll(
        "saved",
        Array.from({ length: 200 }, (_, i) => i * 5 + 1500),
      ),
    );
    const { prefetched, copied } = server.counts();
    const most = ((performance.now() - began) / 1000) * 100 + 8 + 1;
    assert.ok(prefetched <= most, `${prefetched} of at most ${most}`);
    assert.ok(copied >= 200);
    await machine.do({ kind: "unmap" });
    await server.stop();
  });
});
