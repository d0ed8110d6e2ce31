// The E2B surface of the control plane, driven by E2B's own unmodified client; a fake host in place of machines.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { Sandbox as CodeInterpreter } from "@e2b/code-interpreter";
import {
  AuthenticationError,
  RateLimitError,
  Sandbox,
  SandboxError,
  SandboxNotFoundError,
  Secret,
  Volume,
} from "e2b";
import { e2bOptions, type TestService, testService } from "./service.ts";

const MINUTE = 60_000;

describe("the E2B client against the control plane", () => {
  let service: TestService;
  let options: ReturnType<typeof e2bOptions>;

  before(async () => {
    service = await testService({ WRENN_MAX_RUNNING: "6", WRENN_DOMAIN: "sandbox.test:4443" });
    options = e2bOptions(service);
  });
  after(() => service[Symbol.asyncDispose]());

  const raw = (method: string, path: string, body?: unknown) =>
    fetch(`${service.url}${path}`, {
      method,
      headers: { "x-api-key": options.apiKey, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const ids = async (paginator: { nextItems(): Promise<{ sandboxId: string }[]> }) =>
    (await paginator.nextItems()).map(({ sandboxId }) => sandboxId);

  it("makes a sandbox of the alias base with a deadline, finds it, and deletes it", async () => {
    const sandbox = await Sandbox.create({
      ...options,
      metadata: { "k y": "v&1" },
      envs: { A: "b" },
      timeoutMs: 2 * MINUTE,
    });
    const [call] = service.host.callsOf("createSandbox").slice(-1);
    const message = call?.message as { template: string; ttlMode: string; timeoutSec: number; envs: object };
    assert.equal(message.template, "minimal");
    assert.equal(message.ttlMode, "deadline");
    assert.equal(message.timeoutSec, 120);
    assert.deepEqual({ ...message.envs }, { A: "b" });
    assert.match(sandbox.sandboxId, /^sb-[a-z0-9]{16}$/);
    assert.equal(sandbox.getHost(3000), `3000-${sandbox.sandboxId}.sandbox.test:4443`);

    const info = await sandbox.getInfo();
    assert.equal(info.state, "running");
    assert.deepEqual(info.metadata, { "k y": "v&1" });
    assert.ok(Math.abs(info.endAt.getTime() - Date.now() - 2 * MINUTE) < 30_000, String(info.endAt));
    const found = Sandbox.list({ ...options, query: { metadata: { "k y": "v&1" } } });
    assert.deepEqual(await ids(found), [sandbox.sandboxId]);
    assert.deepEqual(await ids(Sandbox.list({ ...options, query: { metadata: { "k y": "other" } } })), []);

    assert.equal(await sandbox.kill(), true);
    assert.equal(await sandbox.kill(), false);
    await assert.rejects(sandbox.getInfo(), SandboxNotFoundError);
  });

  it("moves the end there and back; connecting never brings it nearer", async () => {
    const sandbox = await Sandbox.create({ ...options, timeoutMs: 10 * MINUTE });
    const left = async () => ((await sandbox.getInfo()).endAt.getTime() - Date.now()) / MINUTE;
    await Sandbox.connect(sandbox.sandboxId, { ...options, timeoutMs: MINUTE });
    assert.ok((await left()) > 9);
    await Sandbox.connect(sandbox.sandboxId, { ...options, timeoutMs: 20 * MINUTE });
    assert.ok((await left()) > 19);
    await sandbox.setTimeout(2 * MINUTE);
    assert.ok((await left()) < 3);
    for (const timeout of [0, -1, 86_401]) {
      const response = await raw("POST", `/sandboxes/${sandbox.sandboxId}/timeout`, { timeout });
      assert.equal(response.status, 400);
      assert.match((await response.json()).message, /^Timeout (must|cannot) be greater than/);
    }
    await sandbox.kill();
  });

  it("pauses and resumes with the same token; a second pause is none", async () => {
    const sandbox = await Sandbox.create(options);
    assert.equal(await sandbox.pause(), true);
    assert.equal(await sandbox.pause(), false);
    assert.equal((await sandbox.getInfo()).state, "paused");
    assert.deepEqual(await ids(Sandbox.list({ ...options, query: { state: ["paused"] } })), [
      sandbox.sandboxId,
    ]);
    assert.deepEqual(await ids(Sandbox.list({ ...options, query: { state: ["running"] } })), []);
    await Sandbox.connect(sandbox.sandboxId, { ...options, timeoutMs: 7 * MINUTE });
    const info = await sandbox.getInfo();
    assert.equal(info.state, "running");
    assert.ok(info.endAt.getTime() - Date.now() > 6 * MINUTE);
    await sandbox.kill();
    await assert.rejects(Sandbox.connect(sandbox.sandboxId, options), SandboxNotFoundError);
  });

  it("lists page by page, in both orders", async () => {
    const made: string[] = [];
    for (let i = 0; i < 3; i++) made.push((await Sandbox.create(options)).sandboxId);
    const paginator = Sandbox.list({ ...options, limit: 2 });
    const pages = [await ids(paginator)];
    assert.ok(paginator.hasNext);
    pages.push(await ids(paginator));
    assert.ok(!paginator.hasNext);
    assert.deepEqual(pages.flat(), made.toReversed());
    const ascending = await raw("GET", "/v2/sandboxes?order=asc&limit=1");
    assert.equal((await ascending.json())[0].sandboxID, made[0]);
    const next = await raw(
      "GET",
      `/v2/sandboxes?order=asc&limit=1&nextToken=${ascending.headers.get("x-next-token")}`,
    );
    assert.equal((await next.json())[0].sandboxID, made[1]);
    await Promise.all(made.map((id) => Sandbox.kill(id, options)));
  });

  it("forks, and takes snapshots that sandboxes are made from", async () => {
    const sandbox = await Sandbox.create(options);
    const forks = await raw("POST", `/sandboxes/${sandbox.sandboxId}/fork`, { count: 2, timeout: 60 });
    assert.equal(forks.status, 201);
    const copies = (await forks.json()) as { sandbox: { sandboxID: string } }[];
    assert.equal(new Set(copies.map((copy) => copy.sandbox.sandboxID)).size, 2);
    const snapshot = await sandbox.createSnapshot();
    const listed = await sandbox.listSnapshots().nextItems();
    assert.deepEqual(
      listed.map(({ snapshotId }) => snapshotId),
      [snapshot.snapshotId],
    );
    const clone = await Sandbox.create(snapshot.snapshotId, options);
    assert.equal((await clone.getInfo()).templateId, snapshot.snapshotId);
    assert.equal(await Sandbox.deleteSnapshot(snapshot.snapshotId, options), true);
    assert.equal(await Sandbox.deleteSnapshot(snapshot.snapshotId, options), false);
    const all = [sandbox, clone].map(({ sandboxId }) => sandboxId);
    for (const id of [...all, ...copies.map((copy) => copy.sandbox.sandboxID)])
      await Sandbox.kill(id, options);
  });

  it("guards the ports of a sandbox that is not for the public", async () => {
    const sandbox = await Sandbox.create({ ...options, network: { allowPublicTraffic: false } });
    assert.match(sandbox.trafficAccessToken ?? "", /^[0-9a-f]{64}$/);
    const headers = { "e2b-sandbox-id": sandbox.sandboxId, "e2b-sandbox-port": "3000" };
    assert.equal((await fetch(service.url, { headers })).status, 403);
    const token = { "e2b-traffic-access-token": sandbox.trafficAccessToken ?? "" };
    assert.equal((await fetch(service.url, { headers: { ...headers, ...token } })).status, 502);
    await sandbox.kill();
  });

  it("restricts where a sandbox goes, from the start and later", async () => {
    const egressOf = (method: string) => {
      const { message } = service.host.callsOf(method).at(-1) ?? {};
      const { allow, deny } = (message as { egress: { allow: string[]; deny: string[] } }).egress;
      return { allow, deny };
    };
    const sandbox = await Sandbox.create({ ...options, allowInternetAccess: false });
    assert.deepEqual(egressOf("createSandbox"), { allow: [], deny: ["0.0.0.0/0"] });
    assert.equal((await sandbox.getInfo()).allowInternetAccess, false);
    await sandbox.updateNetwork({ denyOut: ["203.0.113.0/24"], allowOut: ["203.0.113.7"] });
    assert.deepEqual(egressOf("setEgress"), { allow: ["203.0.113.7"], deny: ["203.0.113.0/24"] });
    assert.deepEqual((await sandbox.getInfo()).network?.denyOut, ["203.0.113.0/24"]);
    await sandbox.updateNetwork({});
    assert.deepEqual(egressOf("setEgress"), { allow: [], deny: [] });
    await sandbox.kill();
  });

  it("fails in words and classes that the client knows", async () => {
    const key = `e2b_${"0".repeat(64)}`;
    await assert.rejects(Sandbox.create({ ...options, apiKey: key }), AuthenticationError);
    await assert.rejects(Sandbox.create("nowhere", options), (error: SandboxError) => {
      assert.ok(error instanceof SandboxError);
      assert.match(error.message, /^404: there is no template nowhere/);
      return true;
    });
    const made: Sandbox[] = [];
    for (let i = 0; i < 6; i++) made.push(await Sandbox.create(options));
    await assert.rejects(Sandbox.create(options), RateLimitError);
    await Promise.all(made.map((sandbox) => sandbox.kill()));
  });

  it("refuses by name what it does not have, and makes nothing", async () => {
    const calls = service.host.callsOf("createSandbox").length;
    for (const request of [
      { network: { denyOut: ["0.0.0.0/0"], allowOut: ["example.com"] } },
      { network: { rules: { "example.com": [{ transform: { headers: { a: "b" } } }] } } },
      { mcp: { github: {} } },
      { volumeMounts: { "/data": "volume" } },
      { iam: { tokens: { aws: Secret.iamToken({ audience: "sts", tokenType: "jwt" } as never) } } },
    ]) {
      await assert.rejects(
        Sandbox.create({ ...options, ...(request as object) }),
        (error: SandboxError) => /^501: .* not supported/.test(error.message),
        JSON.stringify(request),
      );
    }
    const absent = {
      volumes: [
        () => Volume.create("data", options),
        () => Volume.list(options),
        () => Volume.connect("data", options),
        () => Volume.getInfo("data", options),
        () => Volume.destroy("data", options),
      ],
      secrets: [
        () => Secret.create("name", "value", options),
        () => Secret.list(options).nextItems(),
        () => Secret.update("name", "value", options),
        () => Secret.getInfo("name", options),
        () => Secret.destroy("name", options),
      ],
    };
    for (const [feature, calls] of Object.entries(absent)) {
      for (const call of calls) {
        await assert.rejects(
          call as () => Promise<unknown>,
          (error: Error) => error.message.includes(`501: ${feature} is not supported`),
          String(call),
        );
      }
    }
    assert.equal(service.host.callsOf("createSandbox").length, calls);
  });

  it("leads the code interpreter's client to its port, with its streamed lines", async () => {
    const asked: { code: string; token: unknown }[] = [];
    const guest = createServer(async (request, response) => {
      const { code } = JSON.parse(await text(request)) as { code: string };
      asked.push({ code, token: request.headers["x-access-token"] });
      for (const line of [
        { type: "number_of_executions", execution_count: 1 },
        { type: "stdout", text: "printed\n", timestamp: 1 },
        { type: "result", text: "42", is_main_result: true },
        { type: "end_of_execution" },
      ]) {
        response.write(`${JSON.stringify(line)}\n`);
      }
      response.end();
    }).listen(0, "127.0.0.1");
    await once(guest, "listening");
    service.host.tunnels.ports.set(49_999, (guest.address() as AddressInfo).port);
    service.host.templates.add("code-interpreter");
    const sandbox = await CodeInterpreter.create(options);
    assert.equal((await sandbox.getInfo()).templateId, "code-interpreter");
    const { text: result, logs } = await sandbox.runCode("6 * 7");
    assert.deepEqual([result, logs.stdout], ["42", ["printed\n"]]);
    assert.deepEqual(asked, [{ code: "6 * 7", token: `token of ${sandbox.sandboxId}` }]);
    await sandbox.kill();
    guest.close();
  });

  it("takes JSON in pieces, no body at all, and fields that it does not know", async () => {
    const pieces = new ReadableStream({
      start(controller) {
        for (const piece of ['{"templateID":', '"base","fresh":{"x":1}}'])
          controller.enqueue(Buffer.from(piece));
        controller.close();
      },
    });
    const headers = { "x-api-key": options.apiKey, "content-type": "application/json" };
    const init = { method: "POST", headers, body: pieces, duplex: "half" } as RequestInit;
    const response = await fetch(`${service.url}/v2/sandboxes`, init);
    assert.equal(response.status, 201);
    const { sandboxID } = (await response.json()) as { sandboxID: string };
    const bare = { method: "POST", headers: { "x-api-key": options.apiKey } };
    assert.equal((await fetch(`${service.url}/sandboxes/${sandboxID}/pause`, bare)).status, 204);
    assert.equal((await fetch(`${service.url}/v2/sandboxes/${sandboxID}/connect`, bare)).status, 201);
    assert.equal((await raw("DELETE", `/sandboxes/${sandboxID}`)).status, 204);
    const gone = await raw("DELETE", `/sandboxes/${sandboxID}`);
    assert.deepEqual([gone.status, (await gone.json()).code], [404, 404]);
  });
});
