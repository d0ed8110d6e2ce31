// What can go wrong between a machine and who loads its memory: told, never waited for without end, nothing left behind.
import assert from "node:assert/strict";
import { chmodSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { after, describe, it } from "node:test";
import { until } from "@wrenn/linux";
import { Gate, gatedRef } from "./gated-pages.ts";
import { LONG } from "./long.ts";
import type { Order } from "./machine.ts";
import { attach, dealt, refOf, serve, TrialBuilds, TrialMachine, threads, touchAll } from "./scene.ts";

const PAGES = 256;

describe("UffdServer", () => {
  const builds = new TrialBuilds();
  chmodSync(builds.dir, 0o711);
  const saved = builds.plain(PAGES);
  const machine = new TrialMachine();
  const description = { whole: saved.whole, sizes: [PAGES] };
  const map: Order = { kind: "map", expected: saved.whole, sizes: [PAGES], reportRemovals: true };
  after(async () => {
    await machine.kill();
    await threads[Symbol.asyncDispose]();
    builds[Symbol.dispose]();
  });

  /** What a server ended with before it was given a memory; everything is given back. */
  async function refused(
    served: ReturnType<typeof serve>,
    orders: readonly Order[],
  ): Promise<{ code: string; message: string }> {
    for (const order of orders) await machine.do(order);
    const end = await served.server.ended;
    assert.equal(end.kind, "failed");
    await assert.rejects(served.server.attached, end.error);
    await served.server.stop();
    assert.equal(existsSync(served.socket), false);
    return end.error;
  }

  it("waits for a machine, and for what it sends, only so long", async () => {
    const nobody = serve(builds.dir, refOf(saved), { acceptTimeoutMs: 50 });
    assert.equal((await refused(nobody, [])).code, "deadline_exceeded");
    const silent = serve(builds.dir, refOf(saved), { acceptTimeoutMs: 300 });
    assert.equal(
      (await refused(silent, [{ kind: "connect", socket: silent.socket }])).code,
      "deadline_exceeded",
    );
    await machine.do({ kind: "disconnect" });
    const partly = serve(builds.dir, refOf(saved), { acceptTimeoutMs: 300 });
    const { code } = await refused(partly, [
      { kind: "connect", socket: partly.socket },
      { kind: "send", text: '[{"size":', descriptors: [] },
    ]);
    assert.equal(code, "deadline_exceeded");
    await machine.do({ kind: "disconnect" });
  });

  it("takes memory from the process that it was told of, and from nobody else", async () => {
    const otherUser = serve(builds.dir, refOf(saved), { peer: { uid: 4321 } });
    const user = await refused(otherUser, [{ kind: "connect", socket: otherUser.socket }]);
    assert.equal(user.code, "forbidden");
    assert.match(
      user.message,
      new RegExp(`process ${machine.child.pid} of user 0 connected where user 4321`),
    );
    await machine.do({ kind: "disconnect" });
    const otherProcess = serve(builds.dir, refOf(saved), { peer: { uid: 0, pid: process.pid } });
    const pid = await refused(otherProcess, [{ kind: "connect", socket: otherProcess.socket }]);
    assert.equal(pid.code, "forbidden");
    await machine.do({ kind: "disconnect" });
    const right = serve(builds.dir, refOf(saved), { peer: { uid: 4321, pid: machine.child.pid } });
    await machine.do(map);
    await machine.do({ kind: "connect", socket: right.socket, uid: 4321 });
    await machine.do({ kind: "send", descriptors: ["uffd"] });
    assert.deepEqual(await right.server.attached, { pid: machine.child.pid });
    await machine.touch(...dealt(PAGES, 2, "saved"));
    await machine.do({ kind: "unmap" });
    await right.server.stop();
  });

  it("says what is wrong with what it is handed, and keeps none of it", async () => {
    const huge = `[${" ".repeat(70_000)}`;
    const cases: [Extract<Order, { kind: "send" }>, RegExp][] = [
      [{ kind: "send", descriptors: [] }, /no descriptor/],
      [{ kind: "send", descriptors: ["file"] }, /a descriptor of/],
      [{ kind: "send", descriptors: ["own"] }, /a descriptor of socket/],
      [{ kind: "send", descriptors: ["uffd", "uffd"] }, /more than one descriptor/],
      [{ kind: "send", descriptors: Array<"uffd">(20).fill("uffd") }, /more than one descriptor/],
      [{ kind: "send", text: "{}", descriptors: ["uffd"] }, /not a list/],
      [{ kind: "send", text: "[]", descriptors: ["uffd"] }, /not a list/],
      [{ kind: "send", text: "\u0000", descriptors: ["uffd"] }, /not JSON/],
      [{ kind: "send", text: "[{]", descriptors: ["uffd"] }, /not JSON/],
      [{ kind: "send", text: huge, descriptors: ["uffd"] }, /more than 65536 bytes/],
    ];
    await machine.do(map);
    const before = resources();
    for (const [order, message] of cases) {
      const served = serve(builds.dir, refOf(saved));
      const error = await refused(served, [{ kind: "connect", socket: served.socket }, order]);
      assert.equal(error.code, "invalid_argument");
      assert.match(error.message, message);
      await machine.do({ kind: "disconnect" });
    }
    const short = serve(builds.dir, refOf(builds.plain(PAGES + 1)));
    const error = await refused(short, [
      { kind: "connect", socket: short.socket },
      { kind: "send", descriptors: ["uffd"] },
    ]);
    assert.match(error.message, /256 pages instead of 257/);
    await machine.do({ kind: "disconnect" });
    const gone = serve(builds.dir, refOf(saved));
    const orders: Order[] = [{ kind: "connect", socket: gone.socket }, { kind: "disconnect" }];
    assert.equal((await refused(gone, orders)).code, "unavailable");
    await machine.do({ kind: "unmap" });
    assert.equal(resources().descriptors, before.descriptors);
  });

  it("takes a list in several parts", async () => {
    const served = serve(builds.dir, refOf(saved));
    await machine.do(map);
    await machine.do({ kind: "connect", socket: served.socket });
    await machine.do({ kind: "send", descriptors: ["uffd"], parts: 7 });
    await served.server.attached;
    await machine.touch(...dealt(PAGES, 2, "saved"));
    await machine.do({ kind: "unmap" });
    await served.server.stop();
  });

  it("notices that a machine has died, in the middle of its faults", async () => {
    const victim = new TrialMachine();
    const gate = new Gate();
    const served = serve(builds.dir, gatedRef(refOf(saved), 100, "wait", gate), { blockPages: 1 });
    await attach(victim, served, description);
    const touching = victim.touch(...dealt(PAGES, 4, "saved"));
    assert.ok(await until(() => gate.waiting() === 1, { timeoutMs: 10_000 }));
    const died = assert.rejects(touching, /has ended/);
    await victim.kill();
    await died;
    gate.open();
    assert.deepEqual(await served.server.ended, { kind: "gone" });
    await served.server.stop();
  });

  it("stops when it is told to: before a machine comes, and while one runs", async () => {
    const waiting = serve(builds.dir, refOf(saved), { acceptTimeoutMs: 600_000 });
    await waiting.server.stop();
    assert.deepEqual(await waiting.server.ended, { kind: "stopped" });
    await assert.rejects(waiting.server.attached, { code: "unavailable" });
    assert.equal(existsSync(waiting.socket), false);
    const serving = serve(builds.dir, refOf(saved));
    await attach(machine, serving, description);
    await machine.touch(touchAll("saved", [1, 2, 3]));
    await Promise.all([serving.server.stop(), serving.server.stop()]);
    assert.deepEqual(await serving.server.ended, { kind: "stopped" });
    await machine.do({ kind: "unmap" });
  });

  it("keeps one machine's slow disk from the others", async () => {
    const other = new TrialMachine();
    const gate = new Gate();
    const slow = serve(builds.dir, gatedRef(refOf(saved), 7, "wait", gate));
    const quick = serve(builds.dir, refOf(saved));
    await attach(machine, slow, description);
    await attach(other, quick, description);
    let isDone = false;
    const waiting = machine.touch(touchAll("saved", [7])).then(() => {
      isDone = true;
    });
    assert.ok(await until(() => gate.waiting() === 1, { timeoutMs: 10_000 }));
    await other.touch(...dealt(PAGES, 2, "saved"));
    assert.equal(isDone, false);
    gate.open();
    await waiting;
    for (const one of [machine, other]) await one.do({ kind: "unmap" });
    await Promise.all([slow.server.stop(), quick.server.stop()]);
    await other.kill();
  });

  it("reports a disk that fails, and the machine can be killed", async () => {
    for (const [what, message] of [
      ["fail", /the disk is gone/],
      ["exit", /broke down/],
    ] as const) {
      const victim = new TrialMachine();
      const served = serve(builds.dir, gatedRef(refOf(saved), 50, what));
      await attach(victim, served, description);
      await victim.touch(touchAll("saved", [1, 20, 80]));
      const touching = assert.rejects(victim.touch(touchAll("saved", [50])), /has ended/);
      const end = await served.server.ended;
      assert.equal(end.kind, "failed");
      assert.match(end.error.message, message);
      // It waits; it does not go on with zeros.
      assert.equal(victim.child.exitCode, null);
      await victim.kill();
      await touching;
      await served.server.stop();
    }
  });

  it("reports a disk that does not answer, and gives everything back when it does", async () => {
    const before = resources();
    const victim = new TrialMachine();
    const gate = new Gate();
    const served = serve(builds.dir, gatedRef(refOf(saved), 50, "wait", gate), { stallMs: 150 });
    await attach(victim, served, description);
    const touching = assert.rejects(victim.touch(touchAll("saved", [50])), /has ended/);
    const end = await served.server.ended;
    assert.equal(end.kind, "failed");
    assert.match(end.error.message, /takes longer than 150 ms/);
    await victim.kill();
    await touching;
    await assert.rejects(served.server.stop(), { code: "deadline_exceeded" });
    assert.ok(resources().descriptors > before.descriptors);
    gate.open();
    const isBack = () => resources().descriptors === before.descriptors;
    assert.ok(await until(isBack, { timeoutMs: 10_000 }));
  });

  it("reports a machine that makes its userfaultfd blocking, instead of blocking with it", async () => {
    const victim = new TrialMachine();
    const served = serve(builds.dir, refOf(saved));
    await attach(victim, served, description);
    await victim.touch(touchAll("saved", [1]));
    await victim.do({ kind: "block" });
    const touching = assert.rejects(victim.touch(touchAll("saved", [100])), /has ended/);
    const end = await served.server.ended;
    assert.equal(end.kind, "failed");
    assert.match(end.error.message, /can no longer be waited for/);
    await victim.kill();
    await touching;
    await served.server.stop();
  });

  it("leaves no descriptor, thread or mapping behind, however often it is started", async () => {
    const cycle = async (i: number) => {
      const served = serve(builds.dir, refOf(saved));
      if (i % 2 === 0) {
        await attach(machine, served, description);
        await machine.touch(touchAll("saved", [i % PAGES]));
        await machine.do({ kind: "unmap" });
      }
      await served.server.stop();
    };
    for (let i = 0; i < 20; i++) await cycle(i);
    const before = resources();
    const cycles = LONG ? 10_000 : 1000;
    for (let i = 0; i < cycles; i++) await cycle(i);
    const later = resources();
    assert.equal(later.descriptors, before.descriptors);
    assert.equal(later.threads, before.threads);
    // Heaps grow and shrink by some mappings (76 in the long form); one a cycle would be as many as cycles.
    const allowed = before.mappings + (LONG ? 200 : 50);
    assert.ok(later.mappings <= allowed, `${before.mappings} mappings became ${later.mappings}`);
  });
});

function resources() {
  return {
    descriptors: readdirSync("/proc/self/fd").length,
    threads: readdirSync("/proc/self/task").length,
    mappings: readFileSync("/proc/self/maps", "latin1").split("\n").length,
  };
}
