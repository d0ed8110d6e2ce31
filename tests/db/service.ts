// A whole control plane for tests: real database, real HTTP, a fake host.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { documentedStatuses, ROUTES, type Route, SCHEMAS } from "@wrenn/api";
import { newToken, Scope } from "@wrenn/core";
import { Ajv } from "ajv";
import addFormats from "ajv-formats";
import { sql } from "kysely";
import { type Logger, pino } from "pino";
import { readConfig } from "../../packages/control-plane/src/config/config.ts";
import { startControlPlane } from "../../packages/control-plane/src/control-plane.ts";
import { type TestDatabase, testDatabase } from "./database.ts";
import { FakeHost } from "./fake-host.ts";

export interface Answer {
  status: number;
  headers: Headers;
  /** Parsed when it is JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  body: any;
}

export interface TestService extends AsyncDisposable {
  url: string;
  /** The operator's key. */
  key: string;
  host: FakeHost;
  database: TestDatabase;
  /** Sends a request and checks that the answer is one that the route table documents. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** Makes a key of another owner. */
  keyOf(owner: string): Promise<string>;
  /** Makes a running sandbox and returns its id. */
  sandbox(body?: object): Promise<string>;
  /** Stops this control plane and starts another one on the same database and host; `meanwhile` happens in between. */
  restart(meanwhile?: () => Promise<void>): Promise<void>;
}

export interface CallOptions {
  key?: string | null;
  /** Sent as JSON; a string or bytes as they are. */
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Settings that make background work fast enough to be waited for. */
const SETTINGS = {
  WRENN_LISTEN: "127.0.0.1:0",
  WRENN_RECONCILE_MS: "100",
  WRENN_REPORTS_MS: "100",
  WRENN_ORPHAN_GRACE_MS: "300",
  WRENN_STALL_MS: "1000",
};

export interface ServiceOptions {
  log?: Logger;
  /** Whether what is on the host was made before the database knew it; otherwise it has known the host for ever. */
  isNew?: boolean;
}

export async function testService(
  settings: Record<string, string> = {},
  { log = pino({ level: process.env["WRENN_LOG_LEVEL"] ?? "silent" }), isNew = false }: ServiceOptions = {},
): Promise<TestService> {
  await using scope = new Scope();
  const database = await scope.take(
    "database",
    testDatabase,
    async (made) => await made[Symbol.asyncDispose](),
  );
  const host = await scope.take(
    "host",
    () => FakeHost.start(),
    (made) => made[Symbol.asyncDispose](),
  );
  const dir = await mkdtemp(join(tmpdir(), "wrenn-cp-"));
  scope.defer("directory", () => rm(dir, { recursive: true, force: true }));
  const key = `wrn_${newToken()}`;
  await writeFile(join(dir, "key"), `${key}\n`);
  const config = readConfig({
    DATABASE_URL: database.url,
    WRENN_HOSTS: host.address,
    WRENN_BOOTSTRAP_KEY_FILE: join(dir, "key"),
    ...SETTINGS,
    ...settings,
  });
  let running = await startControlPlane(config, log);
  scope.defer("control plane", () => running.close());
  if (!isNew) await sql`update hosts set unwatched = '{}'`.execute(database.db);
  const held = scope.move();
  const service: TestService = {
    url: running.url,
    key,
    host,
    database,
    call: (method, path, options) => call(service, method, path, options),
    keyOf: async (owner) => {
      const { body, status } = await service.call("POST", "/v1/keys", { body: { name: "test", owner } });
      assert.equal(status, 201, JSON.stringify(body));
      return String(body.key);
    },
    sandbox: async (body = {}) => {
      const made = await service.call("POST", "/v1/sandboxes", { body });
      assert.equal(made.status, 201, JSON.stringify(made.body));
      return String(made.body.id);
    },
    restart: async (meanwhile) => {
      await running.close();
      await meanwhile?.();
      running = await startControlPlane(config, log);
      service.url = running.url;
    },
    [Symbol.asyncDispose]: () => held.close(),
  };
  return service;
}

/** What E2B's client needs to speak to the service as its operator. It repeats nothing by itself. */
export function e2bOptions({ key, url }: TestService): {
  apiKey: string;
  apiUrl: string;
  sandboxUrl: string;
  retries: number;
} {
  return { apiKey: key.replace("wrn_", "e2b_"), apiUrl: url, sandboxUrl: url, retries: 0 };
}

async function call(
  service: TestService,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answer> {
  const { key = service.key, body, headers = {}, signal } = options;
  const raw = typeof body === "string" || body instanceof Uint8Array || body instanceof FormData;
  const response = await fetch(`${service.url}${path}`, {
    method,
    headers: {
      ...(key !== null && { "x-api-key": key }),
      ...(body !== undefined && !(body instanceof FormData) && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: raw ? (body as BodyInit) : JSON.stringify(body) }),
    ...(signal && { signal }),
  });
  const isJson = response.headers.get("content-type")?.startsWith("application/json") ?? false;
  const bytes = Buffer.from(await response.arrayBuffer());
  const answer = {
    status: response.status,
    headers: response.headers,
    body: isJson ? (JSON.parse(bytes.toString()) as unknown) : bytes,
  };
  assertDocumented(method, path, answer);
  return answer;
}

const ajv = new Ajv({ strict: false, schemas: SCHEMAS as unknown as object[] });
(addFormats as unknown as (ajv: Ajv) => void)(ajv);
const isError = ajv.getSchema("Error");

/** Every answer of a known route has a documented status and the documented shape. */
function assertDocumented(method: string, path: string, { status, body }: Answer): void {
  const route = (ROUTES as readonly Route[]).find((candidate) => {
    const pattern = new RegExp(`^${candidate.path.replaceAll(/\{[^}]+\}/g, "[^/]+")}$`);
    return candidate.method === method && pattern.test(path.split("?", 1)[0] ?? "");
  });
  if (!route) return;
  assert.ok(
    documentedStatuses(route).includes(status),
    `${method} ${path}: ${status} ${JSON.stringify(body)}`,
  );
  if (status >= 400) {
    assert.ok(isError?.(body), `${method} ${path}: not an error body: ${JSON.stringify(body)}`);
    assert.ok(
      route.errors.includes(body.error.code),
      `${method} ${path}: undocumented code ${body.error.code}`,
    );
  } else if (route.success.content?.type === "application/json") {
    const check = ajv.compile(route.success.content.schema);
    assert.ok(check(body), `${method} ${path}: ${ajv.errorsText(check.errors)}`);
  }
}
