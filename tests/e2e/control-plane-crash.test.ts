// The control plane is killed in the middle of what it does for a sandbox: rows settle by themselves, nothing that ran
// or was saved is lost, and nothing half-made stays.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { WrennClient } from "@wrenn/sdk";
import { MortalPlatform, until } from "./control-plane.ts";
import { askWitness, assertWentOn, startWitness } from "./witness.ts";

/** In a long run; else one of them has to do. */
const WAITS = process.env["WRENN_LONG"] === "1" ? [20, 60, 150] : [60];
const LASTING = { timeout_sec: 0 } as const;

let mortal: MortalPlatform;
let client: WrennClient;
before(async () => {
  mortal = await MortalPlatform.start();
  client = mortal.client;
});
after(() => mortal?.[Symbol.asyncDispose]());

/** Begins something, kills the control plane in the middle of it, and waits until every row is settled again. */
async function killDuring(begin: () => Promise<unknown>, isMiddle: () => Promise<boolean>): Promise<void> {
  assert.ok(await killedBeforeAnswer(begin, isMiddle), "it was killed before it had answered");
}

/** The same for moments that may come too late: whether it came in time. */
async function killedBeforeAnswer(
  begin: () => Promise<unknown>,
  isMiddle: () => Promise<boolean>,
): Promise<boolean> {
  const victim = mortal.pid();
  const brokeOff = begin().then(
    () => false,
    () => true,
  );
  await until("the middle of it", async () => (await isMiddle()) || undefined);
  await mortal.kill(victim);
  const inTime = await brokeOff;
  await mortal.settled();
  return inTime;
}

const isSome = (status: string) => async () => (await mortal.rows()).some((row) => row.status === status);

describe("a control plane that is killed", () => {
  it("in the middle of a create leaves neither a row that stays nor a machine", async () => {
    const before_ = await mortal.rows();
    await killDuring(() => client.sandboxes.create({ template: "minimal", ...LASTING }), isSome("starting"));
    const made = (await mortal.rows()).slice(before_.length);
    assert.deepEqual(
      made.map(({ status }) => status),
      ["stopped"],
    );
    await mortal.assertNothingElse();
  });

  it("in the middle of pause, resume, fork, snapshot and restore loses nothing", async () => {
    const { id } = await mortal.platform.sandbox(LASTING);
    const witness = await startWitness(client, id);

    await killDuring(() => client.sandboxes.pause(id), isSome("pausing"));
    await mortal.assertKept(id, witness);
    await mortal.assertNothingElse();

    await client.sandboxes.pause(id);
    await killDuring(() => client.sandboxes.resume(id), isSome("resuming"));
    await mortal.assertKept(id, witness);
    await mortal.assertNothingElse();

    const before_ = await mortal.rows();
    await killDuring(() => client.sandboxes.fork(id, { count: 2 }), isSome("starting"));
    const forks = (await mortal.rows()).slice(before_.length);
    assert.deepEqual(
      forks.map(({ status }) => status),
      ["stopped", "stopped"],
      "none of the copies",
    );
    await mortal.assertKept(id, witness);
    await mortal.assertNothingElse();

    await client.snapshots.create({ sandbox_id: id, name: "point" });
    const point = await askWitness(client, id);
    await killDuring(() => client.sandboxes.restore(id, { snapshot: "point" }), isSome("resuming"));
    await mortal.assertKept(id, witness);
    await mortal.assertNothingElse();

    // The row does not change while a snapshot is taken of what goes on running: somewhere in the first half second.
    let inTime = 0;
    for (const wait of WAITS) {
      const begun = performance.now();
      inTime += +(await killedBeforeAnswer(
        () => client.snapshots.create({ sandbox_id: id, name: "point" }, { overwrite: true }),
        async () => performance.now() - begun >= wait,
      ));
      await mortal.assertKept(id, witness);
      await mortal.assertNothingElse();
      const copy = await client.sandboxes.create({ template: "point", timeout_sec: 0 });
      assertWentOn(
        { ...point, count: 0 },
        await askWitness(client, copy.id),
        "the name stands for a whole one",
      );
      await client.sandboxes.delete(copy.id);
    }
    assert.ok(inTime > 0, "no snapshot was interrupted");
    await client.sandboxes.delete(id);
    await client.snapshots.delete("point");
    await mortal.assertNothingElse();
  });
});
