import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WrennError } from "@wrenn/core";
import fc from "fast-check";
import { formatIpv4, inPrefix, parseIpv4 } from "./address.ts";
import { BLOCKS, planBlock, planSlot, SLOTS_PER_BLOCK, type SlotPlan } from "./plan.ts";

const block = () => fc.integer({ min: 0, max: BLOCKS - 1 });
const slot = () => fc.integer({ min: 0, max: SLOTS_PER_BLOCK - 1 });

describe("addresses", () => {
  it("survive a round trip", () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (n) => parseIpv4(formatIpv4(n)) === n));
  });

  it("are refused when they are none", () => {
    for (const text of [
      "",
      "1.2.3",
      "1.2.3.4.5",
      "256.0.0.1",
      "01.2.3.4",
      "1.2.3.4 ",
      "a.b.c.d",
      "-1.0.0.0",
    ]) {
      assert.throws(() => parseIpv4(text), RangeError, text);
    }
    for (const number of [-1, 2 ** 32, 1.5, Number.NaN]) assert.throws(() => formatIpv4(number), RangeError);
  });

  it("know their prefix", () => {
    assert.equal(inPrefix("172.31.255.255", "172.16.0.0/12"), true);
    assert.equal(inPrefix("172.32.0.0", "172.16.0.0/12"), false);
    assert.equal(inPrefix("255.255.255.255", "255.255.255.255/32"), true);
  });
});

describe("planSlot()", () => {
  it("gives every slot of every block names, addresses and a uid of its own", () => {
    const keys = ["netns", "hostLink", "hostAddress", "slotAddress", "guestAddress", "uid"] as const;
    const seen = new Map<string, Set<string | number>>(keys.map((key) => [key, new Set()]));
    const linkAddresses = new Set<string>();
    for (let b = 0; b < BLOCKS; b++) {
      for (let s = 0; s < SLOTS_PER_BLOCK; s++) {
        const plan: SlotPlan = planSlot(b, s);
        for (const key of keys) seen.get(key)?.add(plan[key]);
        linkAddresses.add(plan.hostAddress).add(plan.slotAddress);
      }
    }
    const total = BLOCKS * SLOTS_PER_BLOCK;
    for (const [key, values] of seen) assert.equal(values.size, total, key);
    assert.equal(linkAddresses.size, 2 * total, "no address is on both ends");
  });

  it("stays inside the ranges of its block, which do not touch those of another", () => {
    fc.assert(
      fc.property(block(), slot(), block(), (b, s, other) => {
        const plan = planSlot(b, s);
        const mine = planBlock(b);
        const theirs = planBlock(other);
        for (const network of [mine, theirs]) {
          const inside = network.block === b;
          assert.equal(inPrefix(plan.guestAddress, network.guestNetwork), inside);
          assert.equal(inPrefix(plan.hostAddress, network.linkNetwork), inside);
          assert.equal(inPrefix(plan.slotAddress, network.linkNetwork), inside);
          assert.equal(plan.netns.startsWith(network.netnsPrefix), inside);
          assert.equal(plan.hostLink.startsWith(network.linkPrefix), inside);
          assert.equal(plan.uid >= network.vmmUids.first && plan.uid <= network.vmmUids.last, inside);
          assert.notEqual(plan.uid, network.controlPlaneUid);
        }
      }),
    );
  });

  it("keeps to what the kernel accepts", () => {
    fc.assert(
      fc.property(block(), slot(), (b, s) => {
        const plan = planSlot(b, s);
        assert.ok(plan.hostLink.length <= 15, "IFNAMSIZ");
        assert.ok(inPrefix(plan.guestAddress, "10.11.0.0/16"));
        assert.ok(inPrefix(plan.hostAddress, "10.12.0.0/15"));
        assert.equal(parseIpv4(plan.hostAddress) % 2, 0, "a /31 starts at an even address");
        assert.equal(parseIpv4(plan.slotAddress), parseIpv4(plan.hostAddress) + 1);
        assert.ok(!/\.(0|255)$/.test(plan.guestAddress));
        assert.ok(plan.uid < 2 ** 31);
      }),
    );
  });

  it("is what it has always been: left-overs are found by these names", () => {
    assert.deepEqual(planSlot(255, 253), {
      block: 255,
      slot: 253,
      netns: "wrenn-255-253",
      netnsPath: "/run/netns/wrenn-255-253",
      hostLink: "wr255s253",
      hostAddress: "10.13.255.250",
      slotAddress: "10.13.255.251",
      guestAddress: "10.11.255.254",
      uid: 1_900_261_374,
    });
    assert.deepEqual(planBlock(7), {
      block: 7,
      linkPrefix: "wr7s",
      netnsPrefix: "wrenn-7-",
      devicePrefix: "wrenn-7-",
      table: "wrenn_7",
      guestNetwork: "10.11.7.0/24",
      linkNetwork: "10.12.14.0/23",
      cgroup: "wrenn/7",
      controlPlaneUid: 1_900_007_168,
      vmmUids: { first: 1_900_007_169, last: 1_900_007_424 },
    });
  });

  it("refuses what does not exist", () => {
    for (const [b, s] of [
      [-1, 0],
      [256, 0],
      [0, -1],
      [0, 254],
      [0.5, 0],
      [0, Number.NaN],
    ] as const) {
      assert.throws(
        () => planSlot(b, s),
        (error) => error instanceof WrennError && error.code === "invalid_argument",
      );
    }
  });
});
