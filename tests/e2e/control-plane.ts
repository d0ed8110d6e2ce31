// A control plane that is killed and comes back: what its rows, its machines and its content have to be then.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { WrennClient } from "@wrenn/sdk";
import { Client } from "pg";
import { type Platform, startPlatform } from "./platform.ts";
import { pidsOf } from "./processes.ts";
import { askWitness, assertWentOn, type Testimony } from "./witness.ts";

/** Quick background work, so that what is waited for comes soon. */
const SETTINGS = { WRENN_RECONCILE_MS: "1000", WRENN_ORPHAN_GRACE_MS: "2000" };
const SETTLED_MS = 90_000;
const UNSETTLED = ["pending", "starting", "pausing", "resuming"];

/** A platform whose control plane is to be killed, and its database. */
export class MortalPlatform implements AsyncDisposable {
  readonly platform: Platform;
  readonly database: Client;

  static async start(): Promise<MortalPlatform> {
    const platform = await startPlatform(SETTINGS);
    const host = `/run/wrenn/${platform.block}/pg`;
    const database = new Client({ host, user: "postgres", database: "wrenn" });
    await database.connect();
    // What a control plane leaves behind that dies in the first minute of its database is left alone otherwise.
    await database.query("update hosts set unwatched = '{}'");
    return new MortalPlatform(platform, database);
  }

  private constructor(platform: Platform, database: Client) {
    this.platform = platform;
    this.database = database;
  }

  get client(): WrennClient {
    return this.platform.client;
  }

  /** Its process. */
  pid(): number {
    const socket = `/run/wrenn/${this.platform.block}/agent.sock`;
    const [victim] = pidsOf(
      (argv, environment) =>
        argv[0] === "wrenn-control-plane" && environment.some((entry) => entry.includes(socket)),
    );
    assert.ok(victim, "a control plane runs");
    return victim;
  }

  /** SIGKILL. Returns when nothing of it can hear or say anything any more. */
  async kill(victim: number): Promise<void> {
    process.kill(victim, "SIGKILL");
    await until("its end", async () => !existsSync(`/proc/${victim}`) || undefined);
  }

  /** Waits until another one answers and every row is settled again. */
  async settled(): Promise<void> {
    await until("another control plane", () =>
      this.client.health().then(
        () => true,
        () => undefined,
      ),
    );
    await until("settled rows", async () =>
      (await this.rows()).some(({ status }) => UNSETTLED.includes(status)) ? undefined : true,
    );
  }

  async rows(): Promise<{ id: string; status: string }[]> {
    const { rows } = await this.database.query<{ id: string; status: string }>(
      "select id, status from sandboxes order by created_at",
    );
    return rows;
  }

  /** Exactly the running rows have machines; snapshots have exactly the content that rows name. */
  async assertNothingElse(): Promise<void> {
    await until("a machine for each running row, and for no other", async () => {
      const all = await this.rows();
      const running = all.filter(({ status }) => status === "running").map(({ id }) => id);
      const others = all.filter(({ status }) => status !== "running").map(({ id }) => id);
      return (machinesOf(running) === running.length && machinesOf(others) === 0) || undefined;
    });
    await until("no content without a name", async () => {
      const users = (await this.client.storage()).hosts.flatMap(({ entries }) =>
        entries.flatMap(({ used_by }) => used_by),
      );
      // A store name that no row knows is shown as it is.
      return users.every((user) => !user.includes("snap-")) || undefined;
    });
  }

  async statusOf(id: string): Promise<string> {
    return (await this.client.sandboxes.get(id)).status;
  }

  /** It runs or can be resumed, and has lost nothing. */
  async assertKept(id: string, witness: Testimony): Promise<void> {
    if ((await this.statusOf(id)) === "paused") await this.client.sandboxes.resume(id);
    assert.equal(await this.statusOf(id), "running");
    assertWentOn(witness, await askWitness(this.client, id), id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.database.end();
    await this.platform.stop();
  }
}

/** Looks until there is something: not so often that what it waits for is held up. */
export async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + SETTLED_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    assert.ok(performance.now() < deadline, `${what}: waited in vain`);
    await delay(20);
  }
}

/** How many machines run for these sandboxes; each is named after its own. */
function machinesOf(ids: readonly string[]): number {
  return pidsOf(
    (argv) => /qemu-system/.test(argv[0] ?? "") && argv.some((arg) => ids.some((id) => arg.includes(id))),
  ).length;
}
