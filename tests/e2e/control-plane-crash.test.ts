// The control plane is killed in the middle of what it does for a sandbox: rows settle by themselves, nothing that ran
// or was saved is lost, and nothing half-made stays.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { WrennClient } from "@wrenn/sdk";
import { Client } from "pg";
import { type Platform, startPlatform } from "./platform.ts";
import { pidsOf } from "./processes.ts";
import { askWitness, assertWentOn, startWitness, type Testimony } from "./witness.ts";

/** Quick background work, so that what is waited for comes soon. */
const SETTINGS = { WRENN_RECONCILE_MS: "1000", WRENN_ORPHAN_GRACE_MS: "2000" };

const SETTLED_MS = 90_000;
const UNSETTLED = ["pending", "starting", "pausing", "resuming"];
const LASTING = { timeout_sec: 0 } as const;

let platform: Platform;
let client: WrennClient;
let database: Client;
before(async () => {
  platform = await startPlatform(SETTINGS);
  client = platform.client;
  const host = `/run/wrenn/${platform.block}/pg`;
  database = new Client({ host, user: "postgres", database: "wrenn" });
  await database.connect();
});
after(async () => {
  await database?.end();
  await platform?.stop();
});

function controlPlane(): number | undefined {
  const socket = `/run/wrenn/${platform.block}/agent.sock`;
  return pidsOf(
    (argv, environment) =>
      argv[0] === "wrenn-control-plane" && environment.some((entry) => entry.includes(socket)),
  )[0];
}

async function rows(): Promise<{ id: string; status: string }[]> {
  const { rows: found } = await database.query<{ id: string; status: string }>(
    "select id, status from sandboxes order by created_at",
  );
  return found;
}

/** Looks every few ms until there is something. */
async function until<T>(what: string, look: () => Promise<T | undefined>, ms = SETTLED_MS): Promise<T> {
  const deadline = performance.now() + ms;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    assert.ok(performance.now() < deadline, `${what}: waited in vain`);
    await delay(2);
  }
}

/** Begins something, kills the control plane in the middle of it, and waits until every row is settled again. */
async function killDuring(begin: () => Promise<unknown>, isMiddle: () => Promise<boolean>): Promise<void> {
  assert.ok(await killedBeforeAnswer(begin, isMiddle), "it was killed before it had answered");
}

/** The same for moments that may come too late: whether it came in time. */
async function killedBeforeAnswer(
  begin: () => Promise<unknown>,
  isMiddle: () => Promise<boolean>,
): Promise<boolean> {
  const victim = controlPlane();
  assert.ok(victim, "a control plane runs");
  const brokeOff = begin().then(
    () => false,
    () => true,
  );
  await until("the middle of it", async () => (await isMiddle()) || undefined);
  process.kill(victim, "SIGKILL");
  const inTime = await brokeOff;
  await until("another control plane", async () =>
    client.health().then(
      () => true,
      () => undefined,
    ),
  );
  await until("settled rows", async () =>
    (await rows()).some(({ status }) => UNSETTLED.includes(status)) ? undefined : true,
  );
  return inTime;
}

const isSome = (status: string) => async () => (await rows()).some((row) => row.status === status);

/** How many machines run for these sandboxes; each is named after its own. */
function machinesOf(ids: readonly string[]): number {
  return pidsOf(
    (argv) => /qemu-system/.test(argv[0] ?? "") && argv.some((arg) => ids.some((id) => arg.includes(id))),
  ).length;
}

/** Exactly the running rows have machines; snapshots have exactly the content that rows name. */
async function assertNothingElse(): Promise<void> {
  await until("a machine for each running row, and for no other", async () => {
    const all = await rows();
    const running = all.filter(({ status }) => status === "running").map(({ id }) => id);
    const others = all.filter(({ status }) => status !== "running").map(({ id }) => id);
    return (machinesOf(running) === running.length && machinesOf(others) === 0) || undefined;
  });
  await until("no content without a name", async () => {
    const users = (await client.storage()).hosts.flatMap(({ entries }) =>
      entries.flatMap(({ used_by }) => used_by),
    );
    // A store name that no row knows is shown as it is.
    return users.every((user) => !user.includes("snap-")) || undefined;
  });
}

async function statusOf(id: string): Promise<string> {
  return (await client.sandboxes.get(id)).status;
}

/** It runs or can be resumed, and has lost nothing. */
async function assertKept(id: string, witness: Testimony): Promise<void> {
  if ((await statusOf(id)) === "paused") await client.sandboxes.resume(id);
  assert.equal(await statusOf(id), "running");
  assertWentOn(witness, await askWitness(client, id), id);
}

describe("a control plane that is killed", () => {
  it("in the middle of a create leaves neither a row that stays nor a machine", async () => {
    const before_ = await rows();
    await killDuring(() => client.sandboxes.create({ template: "minimal", ...LASTING }), isSome("starting"));
    const made = (await rows()).slice(before_.length);
    assert.deepEqual(
      made.map(({ status }) => status),
      ["stopped"],
    );
    await assertNothingElse();
  });

  it("in the middle of pause, resume, fork, snapshot and restore loses nothing", async () => {
    const { id } = await platform.sandbox(LASTING);
    const witness = await startWitness(client, id);

    await killDuring(() => client.sandboxes.pause(id), isSome("pausing"));
    await assertKept(id, witness);
    await assertNothingElse();

    await client.sandboxes.pause(id);
    await killDuring(() => client.sandboxes.resume(id), isSome("resuming"));
    await assertKept(id, witness);
    await assertNothingElse();

    const before_ = await rows();
    await killDuring(() => client.sandboxes.fork(id, { count: 2 }), isSome("starting"));
    const forks = (await rows()).slice(before_.length);
    assert.deepEqual(
      forks.map(({ status }) => status),
      ["stopped", "stopped"],
      "none of the copies",
    );
    await assertKept(id, witness);
    await assertNothingElse();

    await client.snapshots.create({ sandbox_id: id, name: "point" });
    const point = await askWitness(client, id);
    await killDuring(() => client.sandboxes.restore(id, { snapshot: "point" }), isSome("resuming"));
    await assertKept(id, witness);
    await assertNothingElse();

    // The row does not change while a snapshot is taken of what goes on running: somewhere in the first half second.
    let inTime = 0;
    for (const wait of [20, 60, 150]) {
      const begun = performance.now();
      inTime += +(await killedBeforeAnswer(
        () => client.snapshots.create({ sandbox_id: id, name: "point" }, { overwrite: true }),
        async () => performance.now() - begun >= wait,
      ));
      await assertKept(id, witness);
      await assertNothingElse();
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
    await assertNothingElse();
  });
});
