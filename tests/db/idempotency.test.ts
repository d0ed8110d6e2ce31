// Idempotency-Key while the database fails: nothing is done twice, and no key is stuck.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { sql } from "kysely";
import { type Claim, claimKey } from "../../packages/control-plane/src/db/queries/idempotency.ts";
import { liveWorkers } from "../../packages/control-plane/src/db/worker.ts";
import { type TestDatabase, testDatabase } from "./database.ts";
import { eventually } from "./eventually.ts";
import { hostError } from "./host-error.ts";
import { Relay } from "./relay.ts";
import { type TestService, testService } from "./service.ts";

let database: TestDatabase;
let relay: Relay;
let service: TestService;
let id: string;
before(async () => {
  database = await testDatabase();
  relay = await Relay.start(database.url);
  service = await testService({ DATABASE_URL: relay.url });
  id = await service.sandbox();
});
afterEach(async () => {
  service.host.before = {};
  service.host.after = {};
  relay.lose = undefined;
  await relay.mend();
  await sql`drop trigger if exists refusing on idempotency_keys`.execute(database.db);
  await locks(1);
});
after(async () => {
  await service[Symbol.asyncDispose]();
  await relay[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

const ECHO = { cmd: "echo", args: ["done"] };
const exec = (key: string, body: object = ECHO) =>
  service.call("POST", `/v1/sandboxes/${id}/exec`, { body, headers: { "idempotency-key": key } });
const runs = () => service.host.callsOf("exec").length;

/** The table refuses that until `takesAgain`, as a server does that runs out of time. */
async function refuse(what: "answers" | "releases"): Promise<void> {
  const when =
    what === "answers"
      ? sql`before insert or update on idempotency_keys for each row when (new.status is not null)`
      : sql`before delete on idempotency_keys for each row`;
  await sql`
    create or replace function refuse() returns trigger language plpgsql
    as $$ begin raise exception 'refused' using errcode = 'query_canceled'; end $$`.execute(database.db);
  await sql`create trigger refusing ${when} execute function refuse()`.execute(database.db);
}

async function takesAgain(): Promise<void> {
  await sql`drop trigger refusing on idempotency_keys`.execute(database.db);
}

/** The database goes away, and the control plane has noticed. */
async function goAway(): Promise<void> {
  await relay.cut();
  await eventually(async () => (await service.call("GET", "/health")).status === 503 || undefined);
}

const rowOf = (key: string) =>
  database.db.selectFrom("idempotency_keys").selectAll().where("key", "=", key).executeTakeFirst();

/** Resolves when so many control planes hold their lock. */
async function locks(count: number): Promise<void> {
  await eventually(async () => (await liveWorkers(database.db)).size === count || undefined);
}

/** The claim that another request of the same kind would make. */
async function claimLike(key: string, changes: Partial<Claim>): Promise<Claim> {
  const row = await rowOf(key);
  assert.ok(row);
  const { owner, fingerprint, worker } = row;
  return { owner, key, fingerprint, worker, ...changes };
}

describe("an answer that the database does not take", () => {
  test("reaches the client, and is replayed and kept when it does", async () => {
    await refuse("answers");
    const first = await exec("kept-later");
    assert.deepEqual([first.status, first.body.stdout], [200, "done\n"]);
    const count = runs();
    for (const refusing of [true, false]) {
      if (!refusing) await takesAgain();
      const again = await exec("kept-later");
      assert.deepEqual([again.status, again.body], [200, first.body]);
      assert.equal((await rowOf("kept-later"))?.status ?? null, refusing ? null : 200);
    }
    assert.deepEqual((await exec("kept-later")).body, first.body, "from the database");
    assert.equal(runs(), count);
  });

  test("still refuses another request with its key", async () => {
    await refuse("answers");
    assert.equal((await exec("mine")).status, 200);
    await takesAgain();
    const other = await exec("mine", { cmd: "echo", args: ["other"] });
    assert.deepEqual([other.status, other.body.error.code], [409, "idempotency_mismatch"]);
    assert.equal((await exec("mine")).status, 200);
  });

  test("may be a failure of unknown outcome, which stays final", async () => {
    await refuse("answers");
    service.host.before["exec"] = () => {
      throw hostError("guest_unreachable", Code.Unavailable);
    };
    assert.equal((await exec("failed")).status, 502);
    service.host.before = {};
    await takesAgain();
    const count = runs();
    assert.deepEqual([(await exec("failed")).status, (await exec("failed")).status], [502, 502]);
    assert.equal(runs(), count);
  });

  test("is replayed also while this control plane's lock is gone", async () => {
    service.host.before["exec"] = goAway;
    const first = await exec("restarted");
    assert.equal(first.status, 200);
    service.host.before = {};
    const count = runs();
    await relay.mend();
    const again = await exec("restarted");
    assert.deepEqual([again.status, again.body], [200, first.body]);
    assert.equal(runs(), count);
    assert.equal((await rowOf("restarted"))?.status, 200);
  });

  test("may have been taken, and only the word of it lost", async () => {
    service.host.before["exec"] = () => {
      relay.lose = '"idempotency_keys"';
    };
    const first = await exec("word-lost");
    service.host.before = {};
    const { status } = (await rowOf("word-lost")) ?? {};
    assert.deepEqual([first.status, status, relay.lose], [200, 200, undefined]);
    const count = runs();
    assert.deepEqual((await exec("word-lost")).body, first.body);
    assert.equal(runs(), count);
  });

  test("is kept also when its row has gone meanwhile", async () => {
    service.host.before["exec"] = async () => {
      await database.db.deleteFrom("idempotency_keys").where("key", "=", "row-gone").execute();
    };
    const first = await exec("row-gone");
    service.host.before = {};
    const count = runs();
    assert.deepEqual((await exec("row-gone")).body, first.body);
    assert.equal(runs(), count);
  });

  test("reaches its client also when another control plane has taken the key, and leaves that one's row", async () => {
    service.host.before["exec"] = async () => {
      await database.db
        .updateTable("idempotency_keys")
        .set({ worker: 1 })
        .where("key", "=", "taken")
        .execute();
    };
    assert.equal((await exec("taken")).status, 200);
    const { worker, status } = (await rowOf("taken")) ?? {};
    assert.deepEqual([worker, status], [1, null]);
  });
});

describe("a key that stands for nothing that was done", () => {
  test("is free after a release that failed, and the refusal reaches the client", async () => {
    await refuse("releases");
    const refused = await exec("refused", { cmd: "missing" });
    assert.deepEqual([refused.status, refused.body.error.code], [400, "command_not_found"]);
    assert.equal((await rowOf("refused"))?.status, null);
    await takesAgain();
    assert.equal((await exec("refused", { cmd: "missing" })).status, 400);
    assert.equal((await exec("refused")).status, 200);
  });

  test("may be used for another request after a release that failed", async () => {
    await refuse("releases");
    assert.equal((await exec("mended", { cmd: "missing" })).status, 400);
    assert.equal((await exec("mended")).status, 200);
    assert.equal((await exec("mended", { cmd: "missing" })).status, 409);
  });

  test("is free after a claim whose answer was lost", async () => {
    const count = runs();
    relay.lose = 'insert into "idempotency_keys"';
    assert.equal((await exec("lost")).status, 503);
    assert.equal((await rowOf("lost"))?.status, null);
    assert.equal(runs(), count);
    assert.equal((await exec("lost")).status, 200);
    assert.equal((await exec("lost")).status, 200);
    assert.equal(runs(), count + 1);
  });

  test("is not taken by who cannot rule out that it was done, nor by another control plane", async () => {
    await refuse("releases");
    await exec("left", { cmd: "missing" });
    await takesAgain();
    const { db } = database;
    const own = await claimLike("left", {});
    const other = await claimLike("left", { worker: own.worker === 1 ? 2 : 1 });
    assert.deepEqual(await claimKey(db, own, { takesOwn: false }), { state: "running" });
    assert.deepEqual(await claimKey(db, other, { takesOwn: true }), { state: "running" });
    assert.deepEqual(await claimKey(db, own, { takesOwn: true }), { state: "claimed" });
    await relay.cut();
    await locks(0);
    assert.deepEqual(await claimKey(db, own, { takesOwn: false }), { state: "running" });
    assert.deepEqual(await claimKey(db, other, { takesOwn: true }), { state: "claimed" }, "it seems gone");
  });
});

test("a database that goes away after the work is not a host that was never asked", async () => {
  const take = () =>
    service.call("POST", "/v1/snapshots", {
      body: { sandbox_id: id, name: "once" },
      headers: { "idempotency-key": "snapshot" },
    });
  service.host.after["createSnapshot"] = goAway;
  assert.equal((await take()).status, 503);
  service.host.after = {};
  await relay.mend();
  const again = await take();
  assert.deepEqual([again.status, again.body.error.code], [503, "unavailable"]);
  assert.match(again.body.error.message, /database/);
  assert.equal(service.host.callsOf("createSnapshot").length, 1);
});
