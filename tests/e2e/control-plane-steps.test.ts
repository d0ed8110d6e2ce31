// The control plane is killed at every row that an operation writes: once so that the row is not written, and once so that
// it is and nobody hears of it. The rows are found by watching; what it does on hosts lies between two of them.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { type Sandbox, WrennApiError } from "@wrenn/sdk";
import { Chance } from "../soak/chance.ts";
import { MortalPlatform, until } from "./control-plane.ts";
import { askWitness, assertWentOn, startWitness, type Testimony } from "./witness.ts";

/** All of them when asked for; else so many, drawn by lot. */
const LONG = process.env["WRENN_LONG"] === "1";
const DRAWN = 4;
const SEED = Number(process.env["WRENN_SEED"] ?? randomInt(2 ** 31));
const LASTING = { timeout_sec: 0 } as const;

/** Which row stops whoever writes it until the lock is given back, counted from when it was set; 0 = they are only noted. */
const WATCH = `
  create table test_watch (stop_at bigint);
  create table test_rows (number bigint, what text);
  create sequence test_numbers;
  create function test_row() returns trigger language plpgsql security definer as $$
  declare
    stop_at bigint := (select w.stop_at from test_watch w);
    number bigint;
  begin
    if stop_at is not null then
      number := nextval('test_numbers');
      insert into test_rows values (number, lower(tg_op) || ' ' || tg_table_name);
      if number = stop_at then perform pg_advisory_xact_lock(LOCK); end if;
    end if;
    return coalesce(new, old);
  end $$;
`;
/** Any number that the product does not use. */
const LOCK = 470_011;
/** Rows that are written in the background, or that say nothing about a sandbox. */
const UNWATCHED = new Set(["test_watch", "test_rows", "hosts", "api_keys", "owners"]);

type Side = "unwritten" | "unheard";
interface Operation {
  name: string;
  /** Ready for it, and what it does. */
  ready?: () => Promise<unknown>;
  act: () => Promise<unknown>;
  /** What it has made besides. */
  undo?: () => Promise<unknown>;
}

describe(`a control plane that is killed at any row (seed ${SEED})`, () => {
  let mortal: MortalPlatform;
  let sandbox: Sandbox;
  let witness: Testimony;
  const steps: { operation: Operation; number: number; what: string }[] = [];

  const snapshots = () => mortal.client.snapshots;
  const sandboxes = () => mortal.client.sandboxes;
  const running = async () => {
    if ((await mortal.statusOf(sandbox.id)) === "paused") await sandboxes().resume(sandbox.id);
  };
  const OPERATIONS: readonly Operation[] = [
    { name: "create", act: () => sandboxes().create({ template: "minimal", ...LASTING }) },
    { name: "pause", act: () => sandboxes().pause(sandbox.id) },
    { name: "resume", ready: () => sandboxes().pause(sandbox.id), act: () => sandboxes().resume(sandbox.id) },
    { name: "fork", act: () => sandboxes().fork(sandbox.id, { count: 1 }) },
    {
      name: "snapshot",
      act: () => snapshots().create({ sandbox_id: sandbox.id, name: "made" }),
      undo: () => snapshots().delete("made"),
    },
    { name: "restore", act: () => sandboxes().restore(sandbox.id, { snapshot: "point" }) },
    {
      name: "delete",
      ready: () => snapshots().create({ sandbox_id: sandbox.id, name: "made" }),
      act: () => snapshots().delete("made"),
      undo: () => snapshots().delete("made"),
    },
  ];

  before(async () => {
    mortal = await MortalPlatform.start();
    sandbox = await mortal.platform.sandbox(LASTING);
    witness = await startWitness(mortal.client, sandbox.id);
    await snapshots().create({ sandbox_id: sandbox.id, name: "point" });
    await watch();
    for (const operation of OPERATIONS) {
      await operation.ready?.();
      await stopAt(0);
      await operation.act();
      const { rows } = await mortal.database.query<{ number: string; what: string }>(
        "select number, what from test_rows order by number",
      );
      await stopAt(null);
      for (const { number, what } of rows) steps.push({ operation, number: Number(number), what });
      await tidy(operation);
    }
  });
  after(() => mortal?.[Symbol.asyncDispose]());

  it("finds the rows of every operation", () => {
    for (const { name } of OPERATIONS) {
      const own = steps.filter(({ operation }) => operation.name === name);
      assert.ok(own.length > 0, name);
    }
  });

  it("keeps the sandbox, settles its rows and leaves nothing", async (t) => {
    const chance = new Chance(SEED);
    const all = steps.flatMap((step) =>
      (["unwritten", "unheard"] as const).map((side) => ({ ...step, side })),
    );
    for (const { operation, number, what, side } of LONG ? all : chance.draw(all, DRAWN))
      await t.test(`${operation.name}: row ${number}, ${what}, ${side}`, () => die(operation, number, side));
  });

  async function die(operation: Operation, number: number, side: Side): Promise<void> {
    const { database } = mortal;
    await operation.ready?.();
    const victim = mortal.pid();
    try {
      await database.query("select pg_advisory_lock($1)", [LOCK]);
      await stopAt(number);
      const answered = operation.act().then(
        () => true,
        () => false,
      );
      const backend = await until("the row", async () => {
        const { rows } = await database.query<{ pid: number }>(
          "select pid from pg_locks where locktype = 'advisory' and objid = $1 and not granted",
          [LOCK],
        );
        return rows[0]?.pid;
      });
      await mortal.kill(victim);
      if (side === "unwritten") await database.query("select pg_terminate_backend($1)", [backend]);
      await database.query("select pg_advisory_unlock_all()");
      assert.equal(await answered, false, "it was killed before it had answered");
    } finally {
      await database.query("select pg_advisory_unlock_all()");
      await stopAt(null);
      await mortal.settled();
    }
    await mortal.assertKept(sandbox.id, witness);
    await tidy(operation);
  }

  /** Nothing is there but the sandbox that goes on, and the snapshot that it goes back to. */
  async function tidy({ undo }: Operation): Promise<void> {
    await running();
    assertWentOn(witness, await askWitness(mortal.client, sandbox.id), "it goes on");
    for await (const { id, status } of sandboxes().list()) {
      if (id !== sandbox.id && status !== "stopped") await sandboxes().delete(id);
    }
    await undo?.().catch((error: unknown) => {
      assert.ok(error instanceof WrennApiError && error.code === "not_found", String(error));
    });
    await mortal.assertNothingElse();
  }

  async function watch(): Promise<void> {
    const { database } = mortal;
    await database.query(WATCH.replace("LOCK", String(LOCK)));
    await database.query("insert into test_watch values (null)");
    const { rows } = await database.query<{ table: string }>(
      `select tablename as "table" from pg_tables where schemaname = 'public'`,
    );
    for (const { table } of rows.filter((row) => !UNWATCHED.has(row.table))) {
      // What guests do and which templates hosts have is noted in the background.
      const changed =
        table === "sandboxes"
          ? "when (old.status is distinct from new.status)"
          : "when (to_jsonb(old) - 'last_updated' is distinct from to_jsonb(new) - 'last_updated')";
      await database.query(
        `create trigger test_change before update on "${table}" for each row ${changed} execute function test_row()`,
      );
      // After it: an insert that meets its row already there writes none, and the background does that behind answers.
      for (const when of ["after insert", "before delete"])
        await database.query(
          `create trigger "test ${when}" ${when} on "${table}" for each row execute function test_row()`,
        );
    }
  }

  /** From here on rows are counted anew. */
  async function stopAt(number: number | null): Promise<void> {
    const { database } = mortal;
    await database.query("update test_watch set stop_at = null");
    await database.query("delete from test_rows");
    await database.query("alter sequence test_numbers restart");
    await database.query("update test_watch set stop_at = $1", [number]);
  }
});
