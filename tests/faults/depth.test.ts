// Many generations: each pause adds a disk layer and a build, and the history is made short while the sandbox is used.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type Agent, newAgent } from "./agent.ts";
import { assertWhole, clear, prepare, stage } from "./scene.ts";

const GENERATIONS = 11;
/** Layers above the image before they are merged, as COMPACT_POLICY of @wrenn/snapshot says. */
const MAX_LAYERS = 8;

describe("a sandbox that is paused many times", () => {
  let agent: Agent;
  before(async () => {
    agent = await newAgent();
    await agent.start();
    await prepare(agent);
  });
  after(() => agent[Symbol.asyncDispose]());

  it("keeps few disk layers, and everything that was written in any generation", async () => {
    const { rpc } = agent;
    const scene = await stage(agent, "destroy");
    const sandboxId = scene.id;
    const options = { timeoutMs: 120_000 };
    const sh = async (script: string) => {
      const { stdout } = await rpc.exec(
        { sandboxId, cmd: "sh", args: ["-c", script], timeoutSec: 60 },
        options,
      );
      return Buffer.from(stdout).toString();
    };
    for (let generation = 1; generation <= GENERATIONS; generation++) {
      await sh(
        `head -c 300000 /dev/urandom > /home/user/g${generation}; sync; sha256sum /home/user/g* > /tmp/sums`,
      );
      await rpc.pauseSandbox({ sandboxId }, options);
      await rpc.resumeSandbox({ sandboxId, timeoutSec: 0 }, options);
    }
    assert.equal((await sh("ls /home/user/g* | wc -l")).trim(), String(GENERATIONS));
    const layersOf = () => {
      const record = JSON.parse(
        readFileSync(join(agent.dataDir, "sandboxes", sandboxId, "sandbox.json"), "utf8"),
      );
      return (record as { layers: unknown[] }).layers.length;
    };
    // The last merge may be under way.
    const deadline = Date.now() + 60_000;
    while (layersOf() > MAX_LAYERS + 1) {
      assert.ok(Date.now() < deadline, `${layersOf()} layers`);
      await delay(20);
    }
    assert.ok(GENERATIONS > MAX_LAYERS, "a depth that shows anything");
    // What a further generation is based on is the merged one; the guest reads all of it anew.
    await rpc.pauseSandbox({ sandboxId }, options);
    await rpc.resumeSandbox({ sandboxId, timeoutSec: 0 }, options);
    assert.equal(
      await sh(
        "echo 3 | sudo tee /proc/sys/vm/drop_caches >/dev/null; sha256sum -c --quiet /tmp/sums && echo all",
      ),
      "all\n",
    );
    await assertWhole(agent, sandboxId, [scene.word]);
    await clear(agent, scene);
  });
});
