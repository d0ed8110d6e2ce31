// What E2B's clients are told of a sandbox: its log, and what it has used. A fake host in place of machines.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Sandbox } from "e2b";
import { e2bOptions, type TestService, testService } from "./service.ts";

interface Entry {
  timestamp: string;
  level: string;
  message: string;
  fields: { source: string };
}

describe("logs and metrics for the E2B client", () => {
  let service: TestService;
  let options: ReturnType<typeof e2bOptions>;
  let sandbox: Sandbox;
  before(async () => {
    service = await testService();
    options = e2bOptions(service);
    sandbox = await Sandbox.create(options);
  });
  after(() => service[Symbol.asyncDispose]());

  const get = async <T>(path: string, key = options.apiKey) => {
    const response = await fetch(`${service.url}${path}`, { headers: { "x-api-key": key } });
    return { status: response.status, body: (await response.json()) as T };
  };

  it("the log has what was done to it and what its guest has printed", async () => {
    const later = new Date(Date.now() - 1).toISOString();
    const printed = [
      "kernel: hello",
      JSON.stringify({ time: later, level: "warn", msg: "rpc failed", code: "not_found" }),
    ];
    service.host.machines.printed.set(sandbox.sandboxId, `${printed.join("\n")}\n`);
    const { status, body } = await get<{ logs: Entry[] }>(`/v2/sandboxes/${sandbox.sandboxId}/logs`);
    assert.equal(status, 200);
    const told = body.logs.map(({ message, fields }) => `${fields.source}: ${message}`);
    assert.deepEqual(told.toSorted(), [
      "agent: rpc failed",
      "console: kernel: hello",
      "platform: sandbox.create",
    ]);
    const warnings = await get<{ logs: Entry[] }>(
      `/v2/sandboxes/${sandbox.sandboxId}/logs?level=warn&direction=backward&search=failed&limit=5`,
    );
    assert.deepEqual(
      warnings.body.logs.map(({ message }) => message),
      ["rpc failed"],
    );
  });

  it("the older route says the same in lines", async () => {
    const path = `/sandboxes/${sandbox.sandboxId}/logs`;
    const { body } = await get<{ logs: { line: string }[]; logEntries: Entry[] }>(path);
    assert.deepEqual(
      body.logs.map(({ line }) => line),
      body.logEntries.map(({ message }) => message),
    );
    assert.ok(body.logs.some(({ line }) => line === "kernel: hello"));
    const none = await get<{ logs: unknown[] }>(`${path}?start=${Date.now() + 60_000}`);
    assert.deepEqual(none.body.logs, []);
    assert.equal((await get(`${path}?limit=1001`)).status, 400);
  });

  it("another owner has no such sandbox", async () => {
    const other = await service.keyOf("other");
    for (const path of ["logs", "metrics"])
      assert.equal((await get(`/sandboxes/${sandbox.sandboxId}/${path}`, other)).status, 404);
  });

  it("a paused sandbox has a log and figures of what it did", async () => {
    const paused = await Sandbox.create(options);
    const at = Math.floor(Date.now() / 1000) * 1000;
    service.host.machines.sampled.set(paused.sandboxId, [
      { at: at - 20_000, memUsed: 1 },
      { at: at - 10_000, memUsed: 2 },
    ]);
    await paused.pause();
    const samples = await paused.getMetrics();
    assert.deepEqual(
      samples.map(({ memUsed, cpuUsedPct, timestamp }) => [memUsed, cpuUsedPct, timestamp.getTime()]),
      [
        [1, 12.5, at - 20_000],
        [2, 12.5, at - 10_000],
      ],
    );
    const [only, ...others] = await paused.getMetrics({ start: new Date(at - 15_000), end: new Date(at) });
    assert.deepEqual([only?.memUsed, others], [2, []]);
    const { body } = await get<{ logs: Entry[] }>(`/v2/sandboxes/${paused.sandboxId}/logs`);
    assert.deepEqual(
      body.logs.map(({ message }) => message),
      ["sandbox.create", "sandbox.pause"],
    );
    await paused.kill();
  });
});
