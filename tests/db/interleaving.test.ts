// Everything at once on one sandbox, in random order, with lost answers and a host that acts by itself: every answer is
// legal, and what is left is what the host has.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import fc from "fast-check";
import { eventually } from "./eventually.ts";
import { type TestService, testService } from "./service.ts";

let service: TestService;
before(async () => {
  service = await testService();
});
after(() => service[Symbol.asyncDispose]());

/** What clients ask for, the host's method behind it, and the answers that are legal whatever happens beside it. */
const ACTIONS = {
  pause: { method: "pauseSandbox", legal: [200, 409] },
  resume: { method: "resumeSandbox", legal: [200, 409] },
  fork: { method: "forkSandbox", legal: [201, 409] },
  restore: { method: "restoreSandbox", legal: [200, 409] },
  exec: { method: "exec", legal: [200, 409] },
  snapshot: { method: "createSnapshot", legal: [201, 409] },
  snapshotAndPause: { method: "createSnapshot", legal: [201, 409] },
  delete: { method: "destroySandbox", legal: [204] },
} as const;

/** What the host does unasked, with its report. */
const HAPPENINGS = ["expires", "dies"] as const;

type Action = keyof typeof ACTIONS;

interface Step {
  what: Action | (typeof HAPPENINGS)[number];
  /** When it begins, in ms. */
  at: number;
  /** Whether the answer of the host is lost. */
  lost: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...(Object.keys(ACTIONS) as Action[])) },
    { weight: 1, arbitrary: fc.constantFrom(...HAPPENINGS) },
  ),
  at: fc.integer({ min: 0, max: 150 }),
  lost: fc.boolean(),
});

const scene = fc.record({
  steps: fc.array(step, { minLength: 3, maxLength: 10 }),
  /** How long the host's calls take before and after their work, in ms, in turn. */
  delays: fc.array(fc.integer({ min: 0, max: 25 }), { minLength: 4, maxLength: 12 }),
  /** Whether answers are lost at all: most scenes have none, or little else would be seen. */
  losses: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});

/** What must be seen for the scenes to have shown anything. */
const OUTCOMES = ["pause 200", "pause 409", "resume 200", "resume 409", "fork 201", "fork 409"] as const;

/** How often chance gets sixty scenes to show every outcome: not all do. */
const ROUNDS = 5;

test("concurrent pause, resume, fork, restore, snapshot, exec, deletion and expiry end legally", async () => {
  const seen = new Set<string>();
  const property = fc.asyncProperty(scene, async ({ steps, delays, losses }) => {
    const { host } = service;
    const key = await service.keyOf(`owner-${seen.size}-${Math.random().toString(36).slice(2, 8)}`);
    const { id } = (await service.call("POST", "/v1/sandboxes", { key })).body;
    let turn = 0;
    const wait = () => delay(delays[turn++ % delays.length]);
    for (const { method } of Object.values(ACTIONS)) {
      host.before[method] = wait;
      host.after[method] = wait;
    }
    await Promise.all(
      steps.map(async ({ what, at, lost }) => {
        await delay(at);
        if (what === "expires" || what === "dies") return happen(id, what);
        const { method, legal } = ACTIONS[what];
        const loses = losses && lost && what !== "exec";
        if (loses) host.lose[method] = (host.lose[method] ?? 0) + 1;
        const { status, body } = await perform(what, id, key);
        seen.add(`${what} ${status}`);
        // Whose answer gets lost is up to chance too.
        const allowed: number[] = losses ? [...legal, 503] : [...legal];
        assert.ok(allowed.includes(status), `${what}: ${status} ${JSON.stringify(body)}`);
      }),
    );
    host.before = {};
    host.after = {};
    for (const method of Object.keys(host.lose)) host.lose[method] = 0;
    await settled(key);
    await cleanUp(key);
  });
  const missing = () => OUTCOMES.filter((outcome) => !seen.has(outcome));
  // The same scene twice is not the same interleaving: a smaller one that fails says nothing about the first.
  for (let round = 0; round < ROUNDS && (round === 0 || missing().length > 0); round++)
    await fc.assert(property, { numRuns: 60, endOnFailure: true });
  assert.deepEqual(missing(), [], `among ${[...seen].sort().join(", ")}`);
});

function perform(what: Action, id: string, key: string) {
  const path = `/v1/sandboxes/${id}`;
  switch (what) {
    case "delete":
      return service.call("DELETE", path, { key });
    case "fork":
      return service.call("POST", `${path}/fork`, { key, body: { count: 2 } });
    case "restore":
      return service.call("POST", `${path}/restore`, { key, body: { snapshot: "minimal" } });
    case "exec":
      return service.call("POST", `${path}/exec`, { key, body: { cmd: "echo" } });
    case "snapshot":
      return service.call("POST", "/v1/snapshots", { key, body: { sandbox_id: id } });
    case "snapshotAndPause":
      return service.call("POST", "/v1/snapshots", { key, body: { sandbox_id: id, leave: "paused" } });
    default:
      return service.call("POST", `${path}/${what}`, { key });
  }
}

function happen(id: string, what: "expires" | "dies"): void {
  const { host } = service;
  const sandbox = host.sandboxes.get(id);
  if (sandbox?.status !== "running") return;
  const status = what === "expires" ? "paused" : "stopped";
  host.reports.push({ id: `${id} ${what} ${Math.random()}`, sandboxId: id, status, reason: what });
  if (what === "expires") host.machines.pause(id);
  else host.machines.destroy(id);
}

/** Resolves when every row of the owner is settled as the host has it, and the host has nothing that no row knows. */
async function settled(key: string): Promise<void> {
  let last = "";
  const look = async () => {
    const { body: rows } = await service.call("GET", "/v1/sandboxes", { key });
    const { host } = service;
    const wrong: string[] = [];
    const known = new Set<string>();
    for (const row of rows as { id: string; status: string; host_ip?: string }[]) {
      known.add(row.id);
      const there = host.sandboxes.get(row.id);
      const expected = there ? `${there.status} ${there.hostIp}` : "stopped undefined";
      if (`${row.status} ${row.host_ip}` !== expected)
        wrong.push(`${row.id} is ${row.status} ${row.host_ip}, not ${expected}`);
    }
    for (const id of host.sandboxes.keys()) if (!known.has(id)) wrong.push(`${id} is a stray`);
    const templates = await service.database.db.selectFrom("templates").select("store_name").execute();
    const named = new Set(templates.map(({ store_name }) => store_name));
    for (const name of host.machines.snapshots.keys())
      if (!named.has(name)) wrong.push(`${name} has no name`);
    for (const name of named)
      if (!host.machines.snapshots.has(name) && !host.templates.has(name)) wrong.push(`${name} is gone`);
    if (host.reports.length > 0) wrong.push("there are reports");
    last = wrong.join("; ");
    return wrong.length === 0 || undefined;
  };
  try {
    await eventually(look);
  } catch (cause) {
    throw new Error(`not settled: ${last}`, { cause });
  }
}

async function cleanUp(key: string): Promise<void> {
  for (const { id } of (await service.call("GET", "/v1/sandboxes", { key })).body)
    assert.equal((await service.call("DELETE", `/v1/sandboxes/${id}`, { key })).status, 204);
  assert.equal(service.host.sandboxes.size, 0);
  for (const { name } of (await service.call("GET", "/v1/snapshots?type=snapshot", { key })).body)
    assert.equal((await service.call("DELETE", `/v1/snapshots/${name}`, { key })).status, 204);
}
