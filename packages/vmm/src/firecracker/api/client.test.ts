import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { FakeApi } from "../testing/fake-api.ts";
import { FirecrackerApi } from "./client.ts";
import type { ApiRequest } from "./operations.ts";

const dir = mkdtempSync(join(tmpdir(), "wrenn-fc-api-"));
after(() => rmSync(dir, { recursive: true }));
let count = 0;

async function served(listener: RequestListener): Promise<{ api: FirecrackerApi; server: Server }> {
  const path = join(dir, `${count++}.sock`);
  const server = createServer(listener).listen(path);
  await once(server, "listening");
  return { api: new FirecrackerApi({ path, isAlive: () => true }), server };
}

/** The API's states alone, without files. */
async function fake(): Promise<{ api: FirecrackerApi; server: Server; model: FakeApi }> {
  const nothing = () => {};
  const effects = {
    ...{ assertFile: nothing, boot: nothing, save: nothing, resumed: nothing },
    load: async ({ snapshot_path }: { snapshot_path: string }) => {
      if (snapshot_path !== "/state") throw new Error("no such state");
    },
  };
  const model = new FakeApi("sb-1", effects);
  const { api, server } = await served(async (request, response) => {
    const chunks = await request.toArray();
    const text = Buffer.concat(chunks as Buffer[]).toString();
    const { status, body } = await model.handle(request.method ?? "", request.url ?? "", text);
    response.writeHead(status).end(body === undefined ? undefined : JSON.stringify(body));
  });
  return { api, server, model };
}

const boot: ApiRequest = { operation: "bootSource", body: { kernel_image_path: "/k", initrd_path: "/i" } };
const start: ApiRequest = { operation: "action", body: { action_type: "InstanceStart" } };
const pause: ApiRequest = { operation: "vm", body: { state: "Paused" } };
const resume: ApiRequest = { operation: "vm", body: { state: "Resumed" } };
const save: ApiRequest = {
  operation: "createSnapshot",
  body: { snapshot_path: "/state", mem_file_path: "/mem", snapshot_type: "Diff" },
};
const load: ApiRequest = {
  operation: "loadSnapshot",
  body: { snapshot_path: "/state", mem_backend: { backend_type: "File", backend_path: "/mem" } },
};
const describeIt: ApiRequest = { operation: "describe", body: undefined };

describe("the states of the API, as the driver's tests have them", () => {
  it("describes before the start, pauses and saves after it", async () => {
    const { api, server } = await fake();
    for (const early of [pause, resume, save])
      await assert.rejects(api.send(early), { code: "internal", message: /before starting/ });
    await assert.rejects(api.send(start), { message: /without kernel/ });
    await api.send(boot);
    await api.send(start);
    for (const late of [boot, start, load])
      await assert.rejects(api.send(late), { message: /after starting/ });
    await assert.rejects(api.send(save), { message: /must be paused/ });
    await api.send(pause);
    await api.send(save);
    assert.deepEqual(await api.send(describeIt), {
      app_name: "Firecracker",
      id: "sb-1",
      state: "Paused",
      vmm_version: "1.16.1",
    });
    await api.send(resume);
    await api.send(resume);
    server.close();
  });

  it("loads only what was not described, and is broken when that fails", async () => {
    const first = await fake();
    await first.api.send(boot);
    await assert.rejects(first.api.send(load), { message: /not allowed after configuring/ });
    assert.equal(first.model.broken, false);
    first.server.close();
    const second = await fake();
    await second.api.send(load);
    assert.equal(second.model.state, "Paused");
    second.server.close();
    const third = await fake();
    await assert.rejects(third.api.send({ ...load, body: { ...load.body, snapshot_path: "/none" } }), {
      message: /no such state/,
    });
    assert.equal(third.model.broken, true);
    third.server.close();
  });

  it("refuses fields that it does not know, wrong values, and ids that differ", async () => {
    const { api, server } = await fake();
    const drive = { drive_id: "root", is_root_device: false };
    const wrong = [
      { operation: "machine", body: { vcpu_count: 0, mem_size_mib: 128 } },
      { operation: "machine", body: { vcpu_count: 1 } },
      { operation: "machine", body: { vcpu_count: 1, mem_size_mib: 128, fast: true } },
      { operation: "drive", id: "other", body: drive },
      { operation: "drive", id: "root", body: { ...drive, cache_type: "None" } },
      { operation: "drive", id: "ro-ot", body: { ...drive, drive_id: "ro-ot" } },
    ] as unknown as ApiRequest[];
    for (const request of wrong)
      await assert.rejects(api.send(request), { code: "internal" }, JSON.stringify(request));
    server.close();
  });
});

describe("FirecrackerApi", () => {
  it("gives up after its time, also in the middle of an answer", async () => {
    const silent = await served(() => {});
    await assert.rejects(silent.api.send(describeIt, { timeoutMs: 50 }), { code: "deadline_exceeded" });
    silent.server.closeAllConnections();
    silent.server.close();
    const slow = await served((_request, response) => void response.writeHead(200).write('{"state":'));
    await assert.rejects(slow.api.send(describeIt, { timeoutMs: 50 }), { code: "deadline_exceeded" });
    slow.server.closeAllConnections();
    slow.server.close();
  });

  it("believes neither long answers nor wrong ones, and shows no control characters", async () => {
    const long = await served((_request, response) => void response.end("x".repeat(100_000)));
    await assert.rejects(long.api.send(describeIt), { code: "internal", message: /more than 65536 bytes/ });
    long.server.close();
    const wrong = await served((_request, response) => void response.end('{"state":"Flying"}'));
    await assert.rejects(wrong.api.send(describeIt), { code: "internal", message: /something else/ });
    wrong.server.close();
    const rude = await served(
      (_request, response) =>
        void response.writeHead(400).end(JSON.stringify({ fault_message: `\u001b[2J${"a".repeat(5000)}` })),
    );
    await assert.rejects(rude.api.send(pause), (error: Error) => {
      assert.match(error.message, /^Firecracker refused PATCH \/vm: a{1000}$/);
      return true;
    });
    rude.server.close();
    const hangsUp = await served((request) => void request.socket.destroy());
    await assert.rejects(hangsUp.api.send(pause), { code: "unavailable" });
    hangsUp.server.close();
  });

  it("waits for a socket that is not there yet, as long as the process lives", async () => {
    const path = join(dir, "later.sock");
    const api = new FirecrackerApi({ path, isAlive: () => true });
    await assert.rejects(api.untilServing({ timeoutMs: 30 }), { code: "deadline_exceeded" });
    const waiting = api.untilServing({ timeoutMs: 5000 });
    const server = createServer().listen(path);
    await waiting;
    server.close();
    const dead = new FirecrackerApi({ path: join(dir, "none.sock"), isAlive: () => false });
    await assert.rejects(dead.untilServing({ timeoutMs: 5000 }), { code: "unavailable" });
  });
});
