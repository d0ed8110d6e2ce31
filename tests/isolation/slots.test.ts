// Slots come and go, alone and many at once and interrupted, and leave nothing behind.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { Scope, WrennError } from "@wrenn/core";
import {
  closeBlockNetwork,
  createSlot,
  destroySlot,
  GUEST,
  listNetns,
  openBlockNetwork,
  planSlot,
  type SlotPlan,
  SlotPool,
} from "@wrenn/linux";
import { footprint } from "./footprint.ts";
import { Namespace } from "./namespace.ts";
import { type HostWorld, makeHost } from "./world.ts";

const DNS = "10.255.255.53";

const scope = new Scope();
let world: HostWorld;
let other: HostWorld;
before(async () => {
  world = await makeHost(scope);
  other = await makeHost(scope);
});
after(() => scope.close());

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const start = performance.now();
  const value = await work();
  return { ms: performance.now() - start, value };
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

describe("slots", () => {
  let empty: Awaited<ReturnType<typeof footprint>>;
  beforeEach(async () => {
    empty = await footprint(world);
    await openBlockNetwork({ block: world.block, dns: DNS, host: world.side });
  });
  afterEach(async () => {
    await closeBlockNetwork(world.block, world.side);
    assert.deepEqual(await footprint(world), empty);
  });

  it("are made and removed without a trace", async (t) => {
    const made: number[] = [];
    const removed: number[] = [];
    for (let slot = 0; slot < 8; slot++) {
      const plan = planSlot(world.block, slot);
      made.push((await timed(() => createSlot(plan, { dns: DNS, host: world.side }))).ms);
      assert.ok(listNetns().includes(plan.netns));
      removed.push((await timed(() => destroySlot(plan, world.side))).ms);
      await destroySlot(plan, world.side);
    }
    t.diagnostic(
      `one slot: made in ${median(made)?.toFixed(1)} ms, removed in ${median(removed)?.toFixed(1)} ms (median of 8)`,
    );
  });

  it("have a tap that belongs to the slot's uid, and IPv6 switched off", async () => {
    const plan = planSlot(world.block, 0);
    await createSlot(plan, { dns: DNS, host: world.side });
    try {
      const inside = Namespace.of(plan.netns);
      const links = JSON.parse(await inside.exec(["ip", "-d", "-j", "link", "show", GUEST.tap])) as {
        address: string;
        linkinfo: { info_kind: string; info_data: Record<string, unknown> };
      }[];
      const [tap] = links;
      assert.equal(tap?.address, GUEST.tapMac);
      assert.equal(tap?.linkinfo.info_kind, "tun");
      const { type, vnet_hdr, persist, user } = tap.linkinfo.info_data;
      assert.deepEqual(
        { type, vnet_hdr, persist, user },
        { type: "tap", vnet_hdr: true, persist: true, user: plan.uid },
      );
      assert.equal((await inside.exec(["sysctl", "-n", "net.ipv6.conf.all.disable_ipv6"])).trim(), "1");
      const neighbours = JSON.parse(await inside.exec(["ip", "-j", "neigh", "show", "dev", GUEST.tap])) as {
        dst: string;
        lladdr: string;
        state: string[];
      }[];
      assert.deepEqual(neighbours, [{ dst: GUEST.address, lladdr: GUEST.mac, state: ["PERMANENT"] }]);
    } finally {
      await destroySlot(plan, world.side);
    }
  });

  it("that are interrupted half-way leave nothing", async () => {
    const plan = planSlot(world.block, 1);
    const host = { ...world.side };
    const { ms } = await timed(() => createSlot(plan, { dns: DNS, host }));
    await destroySlot(plan, host);
    let interrupted = 0;
    for (let step = 0; step < 8; step++) {
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(new Error("enough")), (ms * step) / 8);
      try {
        await createSlot(plan, { dns: DNS, host, signal: controller.signal });
        await destroySlot(plan, host);
      } catch {
        interrupted++;
      } finally {
        clearTimeout(timer);
      }
      assert.equal(listNetns().includes(plan.netns), false);
      assert.equal((await world.host.exec(["ip", "-br", "link"])).includes(plan.hostLink), false);
    }
    assert.ok(interrupted > 0, "no attempt was interrupted");
  });

  it("can be made where a crash left half of one", async () => {
    const plan = planSlot(world.block, 2);
    await createSlot(plan, { host: world.side });
    await assert.rejects(createSlot(plan, { host: world.side }), "the name is taken");
    await createSlot(plan, { host: world.side });
    await destroySlot(plan, world.side);
  });

  it("that could not be removed are not given out, and go with the next one", async () => {
    const failures: unknown[] = [];
    const host = { ...world.side };
    const onError = (error: unknown) => failures.push(error);
    const pool = new SlotPool({ block: world.block, prepared: 0, max: 2, dns: DNS, host, onError });
    try {
      const [first, second] = [await pool.acquire(), await pool.acquire()];
      host.netns = "wrenn-no-such-host";
      await assert.rejects(pool.release(first));
      assert.equal(pool.used, 1);
      assert.ok(listNetns().includes(first.netns));
      await assert.rejects(
        pool.acquire(),
        (error) => error instanceof WrennError && error.code === "capacity",
      );
      assert.equal(failures.length, 1, "it is tried again, in vain");

      host.netns = world.side.netns;
      await pool.release(second);
      assert.deepEqual(
        new Set([(await pool.acquire()).slot, (await pool.acquire()).slot]),
        new Set([first.slot, second.slot]),
      );
      assert.equal(failures.length, 1);
    } finally {
      host.netns = world.side.netns;
      await pool.close();
    }
  });

  it("come from a pool, many at once, until there are no more", async (t) => {
    const max = 6;
    const pool = new SlotPool({ block: world.block, prepared: 2, max, dns: DNS, host: world.side });
    try {
      const { ms, value } = await timed(() => Promise.all(Array.from({ length: max }, () => pool.acquire())));
      t.diagnostic(`${max} slots at once: ${ms.toFixed(1)} ms`);
      assert.equal(new Set(value.map((plan) => plan.slot)).size, max);
      assert.equal(pool.used, max);
      await assert.rejects(
        pool.acquire(),
        (error) => error instanceof WrennError && error.code === "capacity",
      );

      const [first, second, ...rest] = value as [SlotPlan, SlotPlan, ...SlotPlan[]];
      // One that is being given back is waited for.
      const [, again] = await Promise.all([pool.release(first), pool.acquire()]);
      assert.equal(again.slot, first.slot);
      await pool.release(second);
      await pool.release(second);
      assert.equal(pool.used, max - 1);
      await pool.release(again);
      for (const plan of rest) await pool.release(plan);
      assert.equal(pool.used, 0);

      const { ms: ready } = await timed(() => pool.acquire());
      t.diagnostic(`after all were released: ${ready.toFixed(1)} ms`);
    } finally {
      await pool.close();
    }
    await assert.rejects(
      pool.acquire(),
      (error) => error instanceof WrennError && error.code === "unavailable",
    );
  });

  it("of a pool that is closed at once leave nothing", async () => {
    const pool = new SlotPool({ block: world.block, prepared: 4, dns: DNS, host: world.side });
    const waiting = assert.rejects(pool.acquire(), WrennError);
    await pool.close();
    await waiting;
  });

  it("are not waited for by a caller that went away", async () => {
    const pool = new SlotPool({ block: world.block, prepared: 0, max: 1, dns: DNS, host: world.side });
    try {
      const controller = new AbortController();
      const reason = new Error("gone");
      const waiting = pool.acquire(controller.signal);
      controller.abort(reason);
      await assert.rejects(waiting, reason);
      await pool.release(await pool.acquire());
    } finally {
      await pool.close();
    }
  });
});

describe("openBlockNetwork()", () => {
  it("puts forwarding back as it was only with the last block", async () => {
    const read = async () =>
      (await world.host.exec(["sysctl", "-n", "net.ipv4.conf.uplink0.forwarding"])).trim();
    const before = await footprint(world);
    assert.equal(await read(), "0");
    await openBlockNetwork({ block: world.block, host: world.side });
    await openBlockNetwork({ block: other.block, host: world.side });
    assert.equal(await read(), "1");
    assert.equal((await world.host.exec(["sysctl", "-n", "net.ipv4.ip_forward"])).trim(), "0");
    await closeBlockNetwork(world.block, world.side);
    assert.equal(await read(), "1");
    await closeBlockNetwork(other.block, world.side);
    await closeBlockNetwork(other.block, world.side);
    assert.deepEqual(await footprint(world), before);
  });

  it("leaves no way out for addresses of slots that are not there", async () => {
    await openBlockNetwork({ block: world.block, host: world.side });
    try {
      const plan = planSlot(world.block, 77);
      for (const address of [plan.guestAddress, plan.slotAddress]) {
        await assert.rejects(
          world.host.exec(["ip", "route", "get", address]),
          /unreachable|No route to host/,
        );
      }
    } finally {
      await closeBlockNetwork(world.block, world.side);
    }
  });

  it("refuses a resolver that guests could never reach", async () => {
    for (const dns of ["127.0.0.53", "::1", "resolver; drop"]) {
      await assert.rejects(
        openBlockNetwork({ block: world.block, dns, host: world.side }),
        (error) => error instanceof WrennError && error.field === "dns",
      );
    }
  });
});
