// A short soak: the long one is `./wrenn soak --cycles 1000`.
import assert from "node:assert/strict";
import { it } from "node:test";
import { newAgent } from "../faults/agent.ts";
import { Soak } from "./soak.ts";

/** Its choices hold everything: forks, snapshots, a restore, and ends of the agent. */
const SEED = 469;
const CYCLES = 20;

it("loses no byte of memory and files over pauses, forks, snapshots, restores and ends of the agent", async () => {
  await using agent = await newAgent();
  await agent.start();
  const soak = new Soak({
    agent,
    seed: SEED,
    cycles: CYCLES,
    vcpus: 1,
    signal: new AbortController().signal,
  });
  try {
    await soak.run();
  } catch (reason) {
    throw new Error(`${reason}\n${agent.log()}`, { cause: reason });
  }
  const { cycles, generation, forks, snapshots, restores, kills, midway } = soak.counts;
  assert.equal(cycles, CYCLES);
  assert.ok(generation > CYCLES, `${generation} generations`);
  assert.ok(
    forks > 0 && snapshots > 0 && restores > 0 && kills > 0 && midway > 0,
    JSON.stringify(soak.counts),
  );
});
