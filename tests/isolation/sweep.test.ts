// What a crashed instance leaves is found and removed, and nothing else.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { Scope } from "@wrenn/core";
import {
  createSlot,
  detectCgroups,
  inNetns,
  listNetns,
  openBlockNetwork,
  planBlock,
  planSlot,
  processesOfUids,
  processIdentity,
  sweepBlock,
} from "@wrenn/linux";
import { footprint } from "./footprint.ts";
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

describe("sweepBlock()", () => {
  it("removes everything of its block, nothing of another, and finds nothing the second time", async () => {
    const cgroups = detectCgroups();
    const emptyWorld = await footprint(world);
    const emptyOther = await footprint(other);
    const inhabit = async ({ block, side }: HostWorld) => {
      await openBlockNetwork({ block, dns: DNS, host: side });
      const plan = planSlot(block, 3);
      await createSlot(plan, { dns: DNS, host: side });
      const [argv0, ...args] = inNetns(plan.netns, [
        "setpriv",
        `--reuid=${plan.uid}`,
        "--clear-groups",
        "sleep",
        "60",
      ]);
      const outside = spawn(argv0, args, { stdio: "ignore" });
      const grouped = spawn("sleep", ["60"], { stdio: "ignore" });
      const group = cgroups.create(`${planBlock(block).cgroup}/sb-0123456789abcdef`, { pids: 10 });
      group.add(grouped.pid ?? 0);
      const exits = Promise.all([once(outside, "exit"), once(grouped, "exit")]);
      // The uid is taken on by the time it shows.
      while (!readFileSync(`/proc/${outside.pid}/status`, "utf8").includes(String(plan.uid))) {
        await new Promise(setImmediate);
      }
      return { plan, pids: [outside.pid ?? 0, grouped.pid ?? 0], exits };
    };
    const mine = await inhabit(world);
    const theirs = await inhabit(other);
    try {
      const swept = await sweepBlock({ block: world.block, cgroups, host: world.side });
      await mine.exits;
      const plan = planBlock(world.block);
      assert.deepEqual(
        { ...swept, processes: swept.processes.map(({ pid }) => pid).toSorted((a, b) => a - b) },
        {
          processes: mine.pids.toSorted((a, b) => a - b),
          links: [mine.plan.hostLink],
          netns: [mine.plan.netns],
          tables: [plan.table],
          routes: [plan.guestNetwork, plan.linkNetwork],
          cgroups: [`${plan.cgroup}/sb-0123456789abcdef`],
        },
      );
      assert.deepEqual(await footprint(world), emptyWorld);
      const again = await sweepBlock({ block: world.block, cgroups, host: world.side });
      for (const [what, found] of Object.entries(again)) assert.deepEqual(found, [], what);

      for (const pid of theirs.pids) assert.ok(processIdentity(pid), "the other block's process lives");
      assert.ok(listNetns().includes(theirs.plan.netns));
      assert.deepEqual(cgroups.list(planBlock(other.block).cgroup), ["sb-0123456789abcdef"]);
    } finally {
      await sweepBlock({ block: other.block, cgroups, host: other.side });
      await theirs.exits;
    }
    assert.deepEqual(await footprint(other), emptyOther);
  });

  it("of the sandboxes spares the platform", async () => {
    const cgroups = detectCgroups();
    const { cgroup, controlPlaneUid } = planBlock(world.block);
    const database = spawn("sleep", ["60"], { stdio: "ignore" });
    const controlPlane = spawn("setpriv", [`--reuid=${controlPlaneUid}`, "--clear-groups", "sleep", "60"], {
      stdio: "ignore",
    });
    const exits = Promise.all([once(database, "exit"), once(controlPlane, "exit")]);
    cgroups.create(`${cgroup}/platform-database`, {}).add(database.pid ?? 0);
    const sweep = (scope: "sandboxes" | "all") =>
      sweepBlock({ block: world.block, cgroups, host: world.side, scope });
    const spared = await sweep("sandboxes");
    assert.deepEqual([spared.processes, spared.cgroups], [[], []]);
    while (processesOfUids({ first: controlPlaneUid, last: controlPlaneUid }).length === 0) {
      await new Promise(setImmediate);
    }
    const all = await sweep("all");
    assert.equal(all.processes.length, 2);
    assert.deepEqual(all.cgroups, [`${cgroup}/platform-database`]);
    await exits;
  });
});
