// A platform with everything that requests may refer to, and a picture of it that shows every change.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { LIMITS } from "@wrenn/core";
import fc from "fast-check";
import { Client } from "pg";
import { type Platform, startPlatform } from "../e2e/platform.ts";
import { pidsOf } from "../e2e/processes.ts";
import { type ApiDocument, readDocument, type Schema, violation } from "./document.ts";
import type { Fixtures } from "./fixtures.ts";
import { validValue } from "./schema-arbitrary.ts";
import { SEED } from "./settings.ts";

export interface World {
  platform: Platform;
  document: ApiDocument;
  fixtures: Fixtures;
  /** Everything that a refused request must leave as it is. */
  picture(): Promise<Picture>;
  /** Throws unless everything is as it was in a picture. */
  assertUnchanged(before: Picture): Promise<void>;
  /** Throws unless the service is healthy and its processes are the ones that it began with. */
  assertAlive(): Promise<void>;
  close(): Promise<void>;
}

export interface Picture {
  /** Rows by table. */
  tables: Record<string, unknown[]>;
  /** What the host agent keeps on disk. */
  sandboxes: string[];
  templates: string[];
}

/** Starts a platform, and makes two owners and their sandboxes on it. */
export async function openWorld(): Promise<World> {
  const platform = await startPlatform();
  try {
    const document = readDocument(await (await platform.call("GET", "/openapi.yaml")).text());
    const fixtures = await makeFixtures(platform, document);
    const database = new Client({
      host: `/run/wrenn/${platform.block}/pg`,
      user: "postgres",
      database: "wrenn",
    });
    await database.connect();
    const processes = processesOf(platform);
    assert.ok(Object.values(processes).every(Boolean), JSON.stringify(processes));
    return {
      platform,
      document,
      fixtures,
      picture: () => takePicture(platform, database),
      assertUnchanged: async (before) => {
        const now = await takePicture(platform, database);
        assert.deepEqual(now, withoutExpired(before, now));
      },
      assertAlive: async () => {
        const health = await platform.call("GET", "/health", {
          key: null,
          signal: AbortSignal.timeout(10_000),
        });
        assert.equal(health.status, 200, await health.text());
        assert.deepEqual(processesOf(platform), processes, "a process has died");
      },
      close: async () => {
        await database.end();
        await platform.stop();
      },
    };
  } catch (reason) {
    await platform.stop();
    throw reason;
  }
}

async function makeFixtures(platform: Platform, document: ApiDocument): Promise<Fixtures> {
  const make = async <T>(path: string, body: object, key = platform.key): Promise<T> => {
    const response = await platform.call("POST", path, { body, key });
    const answer: unknown = await response.json();
    assert.equal(response.status, 201, `${path} ${JSON.stringify(body)}: ${JSON.stringify(answer)}`);
    return answer as T;
  };
  const newKey = (owner: string) => make<{ id: string; key: string }>("/v1/keys", { name: "fuzz", owner });
  const [own, revoked, others] = [await newKey("fuzz"), await newKey("fuzz"), await newKey("stranger")];
  const revocation = await platform.call("DELETE", `/v1/keys/${revoked.id}`, { key: own.key });
  assert.equal(revocation.status, 204);
  const ids: string[] = [];
  for (const [at, body] of createBodies(document).entries()) {
    const sandbox = await make<{ id: string }>("/v1/sandboxes", body, at === 2 ? others.key : own.key);
    assert.equal(violation(document.component("Sandbox"), sandbox), undefined);
    ids.push(sandbox.id);
  }
  const [running = "", stopped = "", foreign = "", cycled = ""] = ids;
  const deletion = await platform.call("DELETE", `/v1/sandboxes/${stopped}`, { key: own.key });
  assert.equal(deletion.status, 204);
  return { key: own.key, revokedKey: revoked.key, running, stopped, foreign, cycled };
}

/** The only requests that start machines: as generated, but for what would make them large, short-lived or refused. */
function createBodies(document: ApiDocument): object[] {
  const schema: Schema = document.component("CreateSandboxRequest");
  const held = {
    template: "minimal",
    vcpus: 1,
    memory_mb: 256,
    timeout_sec: 0,
    on_timeout: "destroy",
    start: "cold",
    min_isolation: "tcg",
    envs: { FUZZ: "é" },
  };
  // A bound that the schema cannot say.
  const fits = ({ metadata = {} }: { metadata?: object }) =>
    Buffer.byteLength(JSON.stringify(metadata)) <= LIMITS.metadataBytes;
  const valid = (validValue(schema) as fc.Arbitrary<object>).filter(fits);
  const bodies = fc.sample(valid, { seed: SEED, numRuns: 4 });
  return bodies.map((body) => ({ ...body, ...held }));
}

/**
 * All but what moves by itself (clocks, and what background work writes down about hosts), and how often a row has moved:
 * whether there is anything to resume of a sandbox that ended unasked only its host knows, and the row is there and back by
 * then.
 */
const PICTURES: Readonly<Record<string, string>> = {
  owners: "to_jsonb(t)",
  api_keys: "to_jsonb(t) - 'last_used_at'",
  templates: "to_jsonb(t) - 'last_updated'",
  sandboxes: "to_jsonb(t) - 'last_active_at' - 'last_updated' - 'expires_at' - 'moves'",
  idempotency_keys: "to_jsonb(t)",
  exec_tickets: "to_jsonb(t)",
  audit_events: "to_jsonb(t)",
};

async function takePicture(platform: Platform, database: Client): Promise<Picture> {
  const tables: Picture["tables"] = {};
  for (const [table, columns] of Object.entries(PICTURES)) {
    const { rows } = await database.query<{ row: unknown }>(
      `select ${columns} as row from ${table} t order by 1`,
    );
    tables[table] = rows.map(({ row }) => row);
  }
  const kept = (name: string) => readdirSync(join(platform.dataDir, name)).sort();
  return { tables, sandboxes: kept("sandboxes"), templates: kept("templates") };
}

/** Tickets live for half a minute and are swept away; none may come. */
function withoutExpired(before: Picture, now: Picture): Picture {
  const left = new Set((now.tables["exec_tickets"] ?? []).map((row) => JSON.stringify(row)));
  const tickets = (before.tables["exec_tickets"] ?? []).filter((row) => left.has(JSON.stringify(row)));
  return { ...before, tables: { ...before.tables, exec_tickets: tickets } };
}

/** Ids of the control plane and the host agent of this instance: both know the socket between them. */
function processesOf({ block }: Platform): Record<string, number | undefined> {
  const socket = `/run/wrenn/${block}/agent.sock`;
  const names = ["wrenn-control-plane", "wrenn-host-agent"];
  const find = (name: string) =>
    pidsOf((argv, environment) => argv[0] === name && environment.some((entry) => entry.includes(socket)));
  return Object.fromEntries(names.map((name) => [name, find(name)[0]]));
}
