import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { startHostAgent } from "../../lab/guest/host-agent.ts";
import { HostState } from "./host-state.ts";
import { machineOf } from "./machines.ts";
import { type LabPlatform, labPlatform } from "./platform.ts";

const SANDBOXES = 5;

describe("a host agent that is killed with sandboxes on the device mapper", () => {
  let platform: LabPlatform;
  let state: HostState;
  const ids: string[] = [];
  before(async () => {
    platform = await labPlatform();
    state = new HostState(platform.guest);
    // One after the other: five clones that wake up at once on one emulated processor answer too late for their clocks.
    for (let n = 0; n < SANDBOXES; n++) ids.push((await platform.sandbox({ start: "clone" })).id);
    ids.sort();
  });
  after(() => platform?.[Symbol.asyncDispose]());

  it("finds them again; of those that died meanwhile nothing is left", async () => {
    const [dead = "", ...living] = ids;
    const { guest, client } = platform;
    await client.sandboxes.exec(living[0] ?? "", { cmd: "sh", args: ["-c", "echo kept > /home/user/file"] });
    await guest.run(["pkill", "-KILL", "-f", "^wrenn-host-agent"]);
    await guest.run(["pkill", "-KILL", "-f", machineOf(dead)]);
    const orphaned = await state.read();
    assert.equal(
      orphaned.devices.filter((name) => name.includes("sb-")).length,
      SANDBOXES,
      "all disks are there",
    );
    await startHostAgent(platform.lab, guest);

    const found = await state.read();
    const owners = (names: string[]) =>
      [...new Set(names.flatMap((name) => /sb-[a-z0-9]{16}/.exec(name) ?? []))].sort();
    assert.deepEqual(owners(found.devices), living);
    assert.deepEqual(owners(found.machines), living);
    assert.deepEqual(owners(found.loops), living);
    assert.deepEqual(owners(found.files), living);
    assert.equal(found.devices.length, living.length, "no other device");
    assert.equal(found.loops.length, living.length + 1, "and one for the image of all");
    const deadline = Date.now() + 60_000;
    while ((await client.sandboxes.get(dead)).status === "running") assert.ok(Date.now() < deadline);
    assert.equal((await client.sandboxes.get(dead)).status, "stopped");
    const kept = await client.sandboxes.exec(living[0] ?? "", { cmd: "cat", args: ["/home/user/file"] });
    assert.equal(kept.stdout, "kept\n");
  });

  it("gives back all that they held when they are deleted", async () => {
    for (const id of ids) await platform.client.sandboxes.delete(id);
    const left = await state.read();
    assert.deepEqual(left, { devices: [], loops: [], files: [], machines: [] });
  });
});
