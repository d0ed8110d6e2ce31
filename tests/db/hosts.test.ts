// Hosts by their ids: what one holds that goes by another name now, two that go by one, and what another database made there.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { newSandboxId } from "@wrenn/core";
import { sql } from "kysely";
import { pino } from "pino";
import { migrateDown, migrateUp } from "../../packages/control-plane/src/db/migrator.ts";
import { newStoreName } from "../../packages/control-plane/src/services/store-name.ts";
import { testDatabase } from "./database.ts";
import { eventually } from "./eventually.ts";
import { FakeHost } from "./fake-host.ts";
import { type TestService, testService } from "./service.ts";

describe("a host that goes by another name than before", () => {
  let service: TestService;
  before(async () => {
    service = await testService();
  });
  after(() => service[Symbol.asyncDispose]());

  test("keeps what rows of the former name want, and loses what no row wants", async () => {
    const { db } = service.database;
    const [paused, running, stopped] = [
      await service.sandbox(),
      await service.sandbox(),
      await service.sandbox(),
    ];
    await service.call("POST", `/v1/sandboxes/${paused}/pause`);
    service.host.sandboxes.set(stopped, { status: "stopped", template: "minimal" });
    await eventually(
      async () =>
        (await service.call("GET", `/v1/sandboxes/${stopped}`)).body.status === "stopped" || undefined,
    );
    const [host] = await db.selectFrom("hosts").selectAll().execute();
    assert.ok(host);
    await db
      .insertInto("hosts")
      .values({ ...host, id: "former" })
      .execute();
    await db.updateTable("sandboxes").set({ host_id: "former" }).execute();
    // It is destroyed by the round that would destroy the others.
    const stray = newSandboxId();
    service.host.sandboxes.set(stray, { status: "running", template: "minimal" });
    await eventually(async () => !service.host.sandboxes.has(stray) || undefined);
    assert.deepEqual(
      [paused, running, stopped].map((id) => service.host.sandboxes.get(id)?.status),
      ["paused", "running", "stopped"],
    );
  });
});

describe("two hosts with one id", () => {
  test("are not taken for one: the second is refused, with the reason", async () => {
    await using one = await FakeHost.start("twin");
    await using other = await FakeHost.start("twin");
    await using service = await testService({ WRENN_HOSTS: `${one.address},${other.address}` });
    const { body } = await service.call("GET", "/health", { key: null });
    assert.equal(body.hosts, 1, JSON.stringify(body));
    const { body: made } = await service.call("POST", "/v1/sandboxes", { body: {} });
    const held = [one, other].filter((host) => host.sandboxes.has(made.id));
    assert.equal(held.length, 1, "one of them is used");
    assert.deepEqual(
      (await service.database.db.selectFrom("hosts").select("id").execute()).map(({ id }) => id),
      ["twin"],
    );
  });
});

describe("a host that answers at another address than before", () => {
  test("is the host that it was, once nothing answers with its id where it was", async () => {
    await using one = await FakeHost.start("first");
    await using other = await FakeHost.start("second");
    await using service = await testService({ WRENN_HOSTS: `${one.address},${other.address}` });
    const known = async (count: number) =>
      await eventually(
        async () => (await service.call("GET", "/health", { key: null })).body.hosts === count || undefined,
      );
    await known(2);
    [one.id, other.id] = [other.id, one.id];
    const { db } = service.database;
    const addresses = async () =>
      Object.fromEntries(
        (await db.selectFrom("hosts").select(["id", "address"]).execute()).map(({ id, address }) => [
          id,
          address,
        ]),
      );
    await eventually(async () => {
      const { first, second } = await addresses();
      return (first === other.address && second === one.address) || undefined;
    });
    await known(2);
  });
});

const MINUTE = 60_000;

/** A control plane that is gone. */
const DEAD = 12345;

describe("a host that another database has used", () => {
  /** Puts sandboxes and content there that no row of ours knows, made `ago` milliseconds ago. */
  function put(host: FakeHost, ago: number) {
    const createdAt = Date.now() - ago;
    const [running, paused, content] = [newSandboxId(), newSandboxId(), newStoreName(DEAD)];
    host.sandboxes.set(running, { status: "running", template: "minimal", createdAt });
    host.sandboxes.set(paused, { status: "paused", template: "minimal", createdAt });
    host.machines.snapshots.set(content, { vcpus: 1, memoryMb: 512, createdAt });
    const names = [running, paused, content];
    const left = () => names.filter((name) => host.sandboxes.has(name) || host.machines.snapshots.has(name));
    return { all: () => left().length === names.length, none: () => left().length === 0 };
  }

  async function rounds(host: FakeHost, count: number): Promise<void> {
    const until = host.callsOf("listSandboxes").length + count + 1;
    await eventually(async () => host.callsOf("listSandboxes").length >= until || undefined);
  }

  test("keeps all that it held when a fresh database first saw it, and loses the strays since then", async () => {
    const lines: Record<string, unknown>[] = [];
    const log = pino({ level: "error" }, { write: (line) => lines.push(JSON.parse(line)) });
    await using host = await FakeHost.start("found");
    const old = put(host, 60 * MINUTE);
    // Rounds that are longer than a slow one of them, so that two agree only on all of it.
    const settings = { WRENN_HOSTS: host.address, WRENN_RECONCILE_MS: "400" };
    const image = newStoreName(DEAD, "image");
    host.templates.add(image);
    // The clocks of the host and of the database need not agree.
    const doubtful = put(host, -30_000);
    const young = put(host, -2 * MINUTE);
    await using service = await testService(settings, { isNew: true, log });
    await eventually(async () => young.none() || undefined);
    await rounds(host, 5);
    assert.ok(old.all() && doubtful.all() && host.templates.has(image));
    assert.deepEqual(
      lines.map(({ host_id, sandboxes, contents }) => ({ host_id, sandboxes, contents })),
      [{ host_id: "found", sandboxes: 4, contents: 3 }],
      "it is said once",
    );
    assert.match(String(lines[0]?.["msg"]), /DATABASE_URL/);

    // What the database has a row of is its own, however early it was made.
    const deleted = await service.sandbox();
    await service.call("DELETE", `/v1/sandboxes/${deleted}`);
    host.sandboxes.set(deleted, { status: "running", template: "minimal", createdAt: 0 });
    await eventually(async () => !host.sandboxes.has(deleted) || undefined);
  });

  test("keeps what was made while a database did not see it, and loses the strays from before and after", async () => {
    await using service = await testService();
    const { host, database } = service;
    const sandbox = await service.sandbox();
    const made: ReturnType<typeof put>[] = [];
    await service.restart(async () => {
      await sql`update hosts set last_seen_at = now() - interval '1 hour'`.execute(database.db);
      made.push(...[90 * MINUTE, 30 * MINUTE, -2 * MINUTE].map((ago) => put(host, ago)));
    });
    const [before, meanwhile, since] = made;
    await eventually(async () => (before?.none() && since?.none()) || undefined);
    await service.restart();
    await rounds(host, 8);
    assert.ok(meanwhile?.all());
    assert.equal(host.sandboxes.get(sandbox)?.status, "running");
  });

  test("keeps what was made since the state to which a database was set back under a control plane that lives", async () => {
    await using service = await testService();
    const { host, database } = service;
    await service.sandbox();
    await sql`update hosts set last_seen_at = now() - interval '1 hour'`.execute(database.db);
    await eventually(
      async () =>
        (await sql`select from hosts where last_seen_at > now() - interval '1 minute'`.execute(database.db))
          .rows.length === 1 || undefined,
    );
    const [before, meanwhile] = [90 * MINUTE, 30 * MINUTE].map((ago) => put(host, ago));
    await eventually(async () => before?.none() || undefined);
    await rounds(host, 5);
    assert.ok(meanwhile?.all());
  });

  test("is judged as before by a database that knew it before it was asked since when", async () => {
    await using database = await testDatabase();
    const unwatched = async () =>
      (
        await sql<{ unwatched: string }>`select unwatched::text from hosts order by created_at`.execute(
          database.db,
        )
      ).rows;
    const insert = (id: string) =>
      sql`insert into hosts (id, address, isolation, cpus, memory_bytes, memory_free_bytes, sandboxes, max_sandboxes, version, vmm)
        values (${id}, 'a', 'tcg', 1, 1, 1, 0, 1, 'v', 'v')`.execute(database.db);
    const [taken] = await migrateDown(database.db);
    assert.match(taken ?? "", /hosts_unwatched/);
    await insert("known");
    await migrateUp(database.db);
    await insert("new");
    const [known, added] = await unwatched();
    assert.equal(known?.unwatched, "{}");
    assert.match(added?.unwatched ?? "", /^\{\(,"[^,]+"\)\}$/);
  });
});
