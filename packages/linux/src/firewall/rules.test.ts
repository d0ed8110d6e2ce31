import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { inPrefix } from "../plan/address.ts";
import { BLOCKS, planBlock, planSlot, SLOTS_PER_BLOCK } from "../plan/plan.ts";
import { run } from "../run/run.ts";
import { FORBIDDEN_IPV4 } from "./forbidden.ts";
import { findForeignForwardRules, foreignForwardRules } from "./foreign.ts";
import { hostRuleset } from "./host-rules.ts";
import { slotRuleset } from "./slot-rules.ts";

const block = () => fc.integer({ min: 0, max: BLOCKS - 1 });
const slot = () => fc.integer({ min: 0, max: SLOTS_PER_BLOCK - 1 });

describe("forbidden destinations", () => {
  it("cover every address that the platform itself uses", () => {
    const isForbidden = (address: string) => FORBIDDEN_IPV4.some((prefix) => inPrefix(address, prefix));
    fc.assert(
      fc.property(block(), slot(), (b, s) => {
        const plan = planSlot(b, s);
        return [plan.hostAddress, plan.slotAddress, plan.guestAddress].every(isForbidden);
      }),
    );
    for (const address of ["169.254.169.254", "127.0.0.1", "255.255.255.255", "0.0.0.0", "100.127.255.255"]) {
      assert.ok(isForbidden(address), address);
    }
    for (const address of [
      "1.1.1.1",
      "11.0.0.0",
      "100.128.0.0",
      "172.32.0.0",
      "192.169.0.0",
      "223.255.255.255",
    ]) {
      assert.ok(!isForbidden(address), address);
    }
  });
});

describe("rulesets", () => {
  const netns = `wrenn-test-${randomBytes(3).toString("hex")}`;
  const inside = (...argv: string[]) =>
    run(["nsenter", `--net=/run/netns/${netns}`, "--", ...argv], { timeoutMs: 10_000 });
  before(async () => {
    await run(["ip", "netns", "add", netns], { timeoutMs: 5000 });
    await inside("ip", "tuntap", "add", "tap0", "mode", "tap");
  });
  after(() => run(["ip", "netns", "del", netns], { timeoutMs: 5000 }));

  it("are the same size for every block and slot", () => {
    const lines = (text: string) => text.split("\n").length;
    const host = lines(hostRuleset({ plan: planBlock(0), dns: "10.0.0.1", mode: "enforce" }));
    const inSlot = lines(slotRuleset({ plan: planSlot(0, 0), dns: "10.0.0.1", mode: "enforce" }));
    fc.assert(
      fc.property(block(), slot(), (b, s) => {
        assert.equal(lines(hostRuleset({ plan: planBlock(b), dns: "10.0.0.1", mode: "enforce" })), host);
        assert.equal(lines(slotRuleset({ plan: planSlot(b, s), dns: "10.0.0.1", mode: "enforce" })), inSlot);
      }),
    );
  });

  for (const mode of ["enforce", "lifted"] as const) {
    for (const dns of [undefined, "10.0.0.1"]) {
      it(`are accepted by the kernel, again and again (${mode}, resolver ${dns})`, async () => {
        for (const ruleset of [
          slotRuleset({ plan: planSlot(255, 253), dns, mode }),
          slotRuleset({
            plan: planSlot(255, 253),
            dns,
            mode,
            egress: { allow: ["203.0.113.0/24", "203.0.113.7"], deny: ["0.0.0.0/0", "198.51.100.1"] },
          }),
          hostRuleset({ plan: planBlock(255), dns, mode }),
          hostRuleset({ plan: planBlock(255), dns, mode }),
        ]) {
          await inside("nft", ruleset);
        }
        const { stdout } = await inside("nft", "list", "ruleset");
        assert.equal(/\bdrop\b/.test(stdout), mode === "enforce");
        assert.equal(stdout.includes("10.0.0.1"), dns !== undefined);
        assert.match(stdout, /masquerade/);
      });
    }
  }

  it("of other blocks do not match each other's links", () => {
    const ruleset = hostRuleset({ plan: planBlock(1), mode: "enforce" });
    assert.ok(ruleset.includes('"wr1s*"'));
    assert.ok(!planSlot(17, 0).hostLink.startsWith("wr1s"));
  });

  it("of other programs are found where they drop forwarded packets", async () => {
    const side = { netns };
    await inside("nft", "flush ruleset");
    await inside("nft", hostRuleset({ plan: planBlock(3), mode: "enforce" }));
    assert.deepEqual(await foreignForwardRules(side), []);
    await inside(
      "nft",
      [
        "table ip filter {",
        "chain FORWARD {",
        "type filter hook forward priority filter; policy drop;",
        "}",
        "}",
        "table inet other {",
        "chain passing {",
        "type filter hook forward priority filter + 10; policy accept;",
        "ip daddr 192.0.2.1 accept",
        "counter reject",
        "}",
        "chain out {",
        "type filter hook output priority filter; policy drop;",
        "}",
        "}",
      ].join("\n"),
    );
    assert.deepEqual(await foreignForwardRules(side), [
      { family: "ip", table: "filter", chain: "FORWARD", kind: "policy" },
      { family: "inet", table: "other", chain: "passing", kind: "rule" },
    ]);
  });

  it("that drop only some packets are no obstacle", () => {
    const chain = {
      family: "inet",
      table: "t",
      name: "f",
      type: "filter",
      hook: "forward",
      policy: "accept",
    };
    const rule = { family: "inet", table: "t", chain: "f", expr: [{ match: {} }, { drop: null }] };
    assert.deepEqual(findForeignForwardRules({ nftables: [{ chain }, { rule }] }), []);
  });
});
