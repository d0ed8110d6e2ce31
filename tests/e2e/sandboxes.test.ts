import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Sandbox } from "@wrenn/sdk";
import { borrowPlatform } from "./lent-platform.ts";
import type { Platform } from "./platform.ts";

/** Status and parsed body of an answer. */
async function answer(response: Response): Promise<[number, unknown]> {
  const text = await response.text();
  return [response.status, text === "" ? {} : JSON.parse(text)];
}

describe("sandboxes over REST", () => {
  let platform: Platform;
  before(async () => {
    platform = await borrowPlatform();
  });
  after(() => platform?.stop());

  it("creates one that is running, lists it, shows it, deletes it, and remembers it as stopped", async () => {
    const [status, made] = (await answer(
      await platform.call("POST", "/v1/sandboxes", {
        body: { template: "minimal", vcpus: 1, memory_mb: 512, timeout_sec: 600, metadata: { run: "a" } },
      }),
    )) as [number, Sandbox];
    assert.equal(status, 201);
    assert.match(made.id, /^sb-[a-z0-9]{16}$/);
    assert.equal(made.status, "running");
    assert.equal(made.memory_mb, 512);
    assert.deepEqual(made.metadata, { run: "a" });
    assert.ok(made.isolation === "tcg" || made.isolation === "kvm");
    assert.match(made.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.match(String(made.host_ip), /^10\.11\./);

    const shown = await platform.client.sandboxes.get(made.id);
    assert.equal(shown.id, made.id);
    const listed = async (query: string) =>
      ((await (await platform.call("GET", `/v1/sandboxes${query}`)).json()) as Sandbox[]).map(({ id }) => id);
    assert.deepEqual(await listed("?metadata.run=a"), [made.id]);
    assert.deepEqual(await listed("?metadata.run=b"), []);
    assert.ok((await listed("?status=running&template=minimal")).includes(made.id));

    assert.equal((await platform.call("DELETE", `/v1/sandboxes/${made.id}`)).status, 204);
    assert.equal((await platform.call("DELETE", `/v1/sandboxes/${made.id}`)).status, 204, "deleting again");
    assert.equal((await platform.client.sandboxes.get(made.id)).status, "stopped");
    const [refused, body] = await answer(
      await platform.call("POST", `/v1/sandboxes/${made.id}/exec`, { body: { cmd: "true" } }),
    );
    assert.equal(refused, 409);
    assert.equal((body as { error: { code: string } }).error.code, "invalid_state");
  });

  it("runs each in its own kernel with the memory and processors that were asked for", async () => {
    const { id } = await platform.sandbox({ vcpus: 2, memory_mb: 384, disk_mb: 4096, start: "cold" });
    const script =
      "nproc; awk '/MemTotal/{print int($2/1024)}' /proc/meminfo; df -BM --output=size / | tail -1; cat /proc/sys/kernel/hostname";
    const { stdout } = await platform.client.sandboxes.exec(id, { cmd: "sh", args: ["-c", script] });
    const [cpus, memory, disk, hostname] = stdout.trim().split("\n");
    assert.equal(cpus, "2");
    assert.ok(Number(memory) > 300 && Number(memory) <= 384, `guest memory ${memory}`);
    assert.ok(Number.parseInt(disk ?? "", 10) > 3500, `guest disk ${disk}`);
    assert.equal(hostname, id);
    await platform.client.sandboxes.delete(id);
  });

  it("ends a sandbox that is idle for its time-out, and not one that is used", async () => {
    const request = { timeout_sec: 3, on_timeout: "destroy" } as const;
    const [idle, used] = [await platform.sandbox(request), await platform.sandbox(request)];
    const deadline = Date.now() + 30_000;
    let status: string = idle.status;
    while (status !== "stopped" && Date.now() < deadline) {
      await platform.client.sandboxes.ping(used.id);
      await delay(50);
      status = (await platform.client.sandboxes.get(idle.id)).status;
    }
    assert.equal(status, "stopped");
    const result = await platform.client.sandboxes.exec(used.id, { cmd: "sleep", args: ["5"] });
    assert.equal(result.exit_code, 0, "a command that outlasts the time-out is activity");
    await platform.client.sandboxes.delete(used.id);
  });

  it("gives the same answer to the same Idempotency-Key and refuses another body under it", async () => {
    const headers = { "idempotency-key": `once-${process.pid}` };
    const body = { template: "minimal" };
    const [first, second] = await Promise.all([
      platform.call("POST", "/v1/sandboxes", { body, headers }),
      platform.call("POST", "/v1/sandboxes", { body, headers }),
    ]);
    const [a, b] = [(await first.json()) as Sandbox, (await second.json()) as Sandbox];
    assert.equal(a.id, b.id);
    const other = await platform.call("POST", "/v1/sandboxes", { body: { ...body, vcpus: 2 }, headers });
    assert.equal(other.status, 409);
    await platform.client.sandboxes.delete(a.id);
  });

  it("hides one owner's sandboxes from another owner's key", async () => {
    const { id } = await platform.sandbox();
    const other = await platform.client.keys.create({ name: "other", owner: "somebody-else" });
    const key = other.key;
    for (const [method, path, body] of [
      ["GET", `/v1/sandboxes/${id}`, undefined],
      ["DELETE", `/v1/sandboxes/${id}`, undefined],
      ["POST", `/v1/sandboxes/${id}/exec`, { cmd: "true" }],
      ["POST", `/v1/sandboxes/${id}/ping`, undefined],
      ["POST", `/v1/sandboxes/${id}/files/read`, { path: "/etc/passwd" }],
    ] as const) {
      const response = await platform.call(method, path, { body, key });
      assert.equal(response.status, 404, `${method} ${path}`);
    }
    assert.deepEqual(await (await platform.call("GET", "/v1/sandboxes", { key })).json(), []);
    assert.equal((await platform.client.sandboxes.get(id)).status, "running");
    assert.equal((await platform.call("DELETE", `/v1/keys/${other.id}`, { key })).status, 204);
    assert.equal((await platform.call("GET", "/v1/sandboxes", { key })).status, 401);
    await platform.client.sandboxes.delete(id);
  });
});
