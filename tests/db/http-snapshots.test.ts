// Named snapshots: taken, used, overwritten, deleted; and that no failure lets a name stand for nothing.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { eventually } from "./eventually.ts";
import { hostError } from "./host-error.ts";
import { type TestService, testService } from "./service.ts";

let service: TestService;
before(async () => {
  service = await testService();
});
afterEach(() => {
  service.host.before = {};
  service.host.after = {};
});
after(() => service[Symbol.asyncDispose]());

const take = (body: object, { key = service.key, query = "" } = {}) =>
  service.call("POST", `/v1/snapshots${query}`, { body, key });
const remove = (name: string, key = service.key) => service.call("DELETE", `/v1/snapshots/${name}`, { key });
const statusOf = async (id: string) => (await service.call("GET", `/v1/sandboxes/${id}`)).body.status;
const contents = () => [...service.host.machines.snapshots.keys()];

/** What the host calls the operator's snapshot of that name. */
async function storeNameOf(name: string, owner = "operator"): Promise<string | undefined> {
  const row = await service.database.db
    .selectFrom("templates")
    .select("store_name")
    .where("name", "=", name)
    .where("owner", "=", owner)
    .executeTakeFirst();
  return row?.store_name;
}

/** Resolves when the host keeps exactly what rows name. */
async function onlyNamedContent(): Promise<void> {
  await eventually(async () => {
    const rows = await service.database.db
      .selectFrom("templates")
      .select("store_name")
      .where("type", "=", "snapshot")
      .execute();
    const named = rows.map(({ store_name }) => store_name).sort();
    return JSON.stringify(named) === JSON.stringify(contents().sort()) ? true : undefined;
  });
}

describe("POST /v1/snapshots", () => {
  test("is validated and authorised", async () => {
    const sandbox_id = await service.sandbox();
    assert.equal((await take({ sandbox_id: "x" })).body.error.field, "sandbox_id");
    assert.equal((await take({ sandbox_id, name: "../x" })).body.error.field, "name");
    assert.equal((await take({ sandbox_id, leave: "stopped" })).body.error.field, "leave");
    assert.equal((await take({ sandbox_id, name: "minimal" })).status, 409);
    assert.equal((await take({ sandbox_id, name: "minimal" }, { query: "?overwrite=true" })).status, 409);
    assert.equal((await take({ sandbox_id }, { key: await service.keyOf("thief") })).status, 404);
    assert.equal((await take({ sandbox_id }, { query: "?overwrite=1" })).body.error.field, "overwrite");
    await service.call("DELETE", `/v1/sandboxes/${sandbox_id}`);
    assert.equal((await take({ sandbox_id })).status, 409);
    assert.deepEqual(contents(), []);
  });

  test("makes a template with the sandbox's size, a name of its own if none is given, and the source goes on", async () => {
    const sandbox_id = await service.sandbox({ vcpus: 2, memory_mb: 1024, disk_mb: 2048 });
    const { status, body } = await take({ sandbox_id });
    const { name, created_at: _, ...rest } = body;
    assert.equal(status, 201);
    assert.match(name, /^template-[0-9a-f]{8}$/);
    assert.deepEqual(rest, { type: "snapshot", vcpus: 2, memory_mb: 1024, size_bytes: 8192 });
    assert.equal(await statusOf(sandbox_id), "running");
    const made = await service.call("POST", "/v1/sandboxes", { body: { template: name } });
    assert.deepEqual(
      [made.status, made.body.template, made.body.vcpus, made.body.memory_mb, made.body.disk_mb],
      [201, name, 2, 1024, 2048],
    );
    for (const [field, value] of Object.entries({ vcpus: 1, memory_mb: 512, disk_mb: 4096 })) {
      const answer = await service.call("POST", "/v1/sandboxes", {
        body: { template: name, [field]: value },
      });
      assert.deepEqual([answer.status, answer.body.error.field], [400, field]);
    }
    const same = { template: name, vcpus: 2, memory_mb: 1024, disk_mb: 2048 };
    assert.equal((await service.call("POST", "/v1/sandboxes", { body: same })).status, 201);
  });

  test("leaves a running sandbox paused if asked to, and a paused one paused anyway", async () => {
    const sandbox_id = await service.sandbox();
    assert.equal((await take({ sandbox_id, name: "leave", leave: "paused" })).status, 201);
    assert.equal(await statusOf(sandbox_id), "paused");
    assert.equal((await take({ sandbox_id, name: "leave2", leave: "running" })).status, 201);
    assert.equal(await statusOf(sandbox_id), "paused");
    assert.equal((await service.call("POST", `/v1/sandboxes/${sandbox_id}/resume`)).status, 200);
  });

  test("names belong to owners: two may use the same one, and neither sees the other's", async () => {
    const key = await service.keyOf("neighbour");
    const mine = await service.sandbox();
    const theirs = (await service.call("POST", "/v1/sandboxes", { key })).body.id;
    assert.equal((await take({ sandbox_id: mine, name: "shared" })).status, 201);
    assert.equal(
      (await service.call("POST", "/v1/sandboxes", { key, body: { template: "shared" } })).status,
      404,
    );
    assert.equal((await remove("shared", key)).status, 404);
    assert.equal((await take({ sandbox_id: theirs, name: "shared" }, { key })).status, 201);
    const listed = (await service.call("GET", "/v1/snapshots?type=snapshot", { key })).body;
    assert.deepEqual(
      listed.map(({ name }: { name: string }) => name),
      ["shared"],
    );
    assert.equal((await remove("shared", key)).status, 204);
    assert.ok(await storeNameOf("shared"), "the other one is untouched");
  });

  test("of two at once with one name, one wins; the other leaves nothing", async () => {
    const sandbox_id = await service.sandbox();
    const answers = await Promise.all([1, 2, 3].map(() => take({ sandbox_id, name: "contested" })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409]);
    await onlyNamedContent();
  });

  test("a host that refuses is the answer, and the source stays as it was", async () => {
    const sandbox_id = await service.sandbox();
    service.host.before["createSnapshot"] = () => {
      throw hostError("no_space", Code.ResourceExhausted, "the disk is full");
    };
    for (const leave of ["running", "paused"]) {
      const { status, body } = await take({ sandbox_id, name: "full", leave });
      assert.deepEqual([status, body.error.code], [507, "no_space"]);
      assert.equal(await statusOf(sandbox_id), "running");
    }
    assert.equal(await storeNameOf("full"), undefined);
  });

  test("an answer that is lost leaves neither a name nor content, and the sandbox as the host has it", async () => {
    const sandbox_id = await service.sandbox();
    service.host.lose["createSnapshot"] = 1;
    service.host.before["deleteSnapshot"] = () => {
      throw hostError("internal", Code.Internal);
    };
    assert.equal((await take({ sandbox_id, name: "lost", leave: "paused" })).status, 503);
    assert.equal(contents().filter((name) => name.startsWith("snap-")).length > 0, true);
    service.host.before = {};
    await onlyNamedContent();
    assert.equal(await storeNameOf("lost"), undefined);
    await eventually(async () => ((await statusOf(sandbox_id)) === "paused" ? true : undefined));
  });
});

describe("overwriting", () => {
  test("needs to be asked for; then the name stands for the new content and the old one goes", async () => {
    const sandbox_id = await service.sandbox();
    await take({ sandbox_id, name: "over" });
    const old = await storeNameOf("over");
    assert.equal((await take({ sandbox_id, name: "over" })).status, 409);
    assert.equal(await storeNameOf("over"), old);
    const big = await service.sandbox({ vcpus: 4 });
    const { status, body } = await take({ sandbox_id: big, name: "over" }, { query: "?overwrite=true" });
    assert.deepEqual([status, body.vcpus], [201, 4]);
    assert.notEqual(await storeNameOf("over"), old);
    assert.ok(old && !contents().includes(old));
    const listed = (await service.call("GET", "/v1/snapshots?type=snapshot")).body;
    assert.equal(listed.filter(({ name }: { name: string }) => name === "over").length, 1);
  });

  test("fails as a whole: the old content stays under the name", async () => {
    const sandbox_id = await service.sandbox();
    await take({ sandbox_id, name: "kept" });
    const old = await storeNameOf("kept");
    service.host.before["createSnapshot"] = () => {
      throw hostError("internal", Code.Internal);
    };
    assert.equal((await take({ sandbox_id, name: "kept" }, { query: "?overwrite=true" })).status, 500);
    assert.equal(await storeNameOf("kept"), old);
    assert.ok(old && contents().includes(old));
  });

  test("old content that could not be deleted is found later", async () => {
    const sandbox_id = await service.sandbox();
    await take({ sandbox_id, name: "again" });
    const old = (await storeNameOf("again")) ?? "";
    service.host.before["deleteSnapshot"] = () => {
      throw hostError("unavailable", Code.Unavailable);
    };
    assert.equal((await take({ sandbox_id, name: "again" }, { query: "?overwrite=true" })).status, 201);
    assert.ok(contents().includes(old));
    service.host.before = {};
    await onlyNamedContent();
  });

  test("several at once leave one name and one content", async () => {
    const sandbox_id = await service.sandbox();
    await take({ sandbox_id, name: "busy" });
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => take({ sandbox_id, name: "busy" }, { query: "?overwrite=true" })),
    );
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]));
    await onlyNamedContent();
    assert.equal((await service.call("POST", "/v1/sandboxes", { body: { template: "busy" } })).status, 201);
  });

  test("a create that had found the old content starts from the new one", async () => {
    const sandbox_id = await service.sandbox();
    await take({ sandbox_id, name: "moving" });
    let overwritten = false;
    service.host.before["createSandbox"] = async () => {
      if (overwritten) return;
      overwritten = true;
      assert.equal((await take({ sandbox_id, name: "moving" }, { query: "?overwrite=true" })).status, 201);
    };
    const made = await service.call("POST", "/v1/sandboxes", { body: { template: "moving" } });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    assert.ok(overwritten);
  });

  test("a restore that had found the old content goes to the new one; one whose snapshot is deleted says so", async () => {
    const [sandbox_id, other] = [await service.sandbox(), await service.sandbox()];
    await take({ sandbox_id, name: "shifting" });
    let isFirst = true;
    const meanwhile = (act: () => Promise<unknown>) => {
      isFirst = true;
      service.host.before["restoreSandbox"] = async () => {
        if (!isFirst) return;
        isFirst = false;
        await act();
      };
      return service.call("POST", `/v1/sandboxes/${sandbox_id}/restore`, { body: { snapshot: "shifting" } });
    };
    const moved = await meanwhile(() =>
      take({ sandbox_id: other, name: "shifting" }, { query: "?overwrite=true" }),
    );
    assert.equal(moved.status, 200, JSON.stringify(moved.body));
    const gone = await meanwhile(() => remove("shifting"));
    service.host.before = {};
    assert.equal(gone.status, 404);
    assert.match(gone.body.error.message, /no snapshot shifting any more/);
    assert.equal((await service.call("GET", `/v1/sandboxes/${sandbox_id}`)).body.status, "running");
  });
});

describe("DELETE /v1/snapshots/{name}", () => {
  test("frees the name at once, and the content; repeated it is a 404", async () => {
    const sandbox_id = await service.sandbox();
    await take({ sandbox_id, name: "short" });
    const store = (await storeNameOf("short")) ?? "";
    assert.equal((await remove("short")).status, 204);
    assert.equal(contents().includes(store), false);
    assert.equal((await remove("short")).status, 404);
    assert.equal((await take({ sandbox_id, name: "short" })).status, 201);
  });

  test("works while the host is away; the content goes when it is back", async () => {
    const sandbox_id = await service.sandbox();
    await take({ sandbox_id, name: "absent" });
    const store = (await storeNameOf("absent")) ?? "";
    await service.host.goAway();
    assert.equal((await remove("absent")).status, 204);
    await service.host.listen();
    assert.ok(contents().includes(store));
    await eventually(async () => !contents().includes(store) || undefined);
  });

  test("one of several at once wins", async () => {
    const sandbox_id = await service.sandbox();
    await take({ sandbox_id, name: "once" });
    const answers = await Promise.all([1, 2, 3].map(() => remove("once")));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 404, 404]);
  });
});

test("content that a control plane left nameless when it died is deleted, content in the making is not", async () => {
  const dead = `snap-${(12345).toString(16).padStart(8, "0")}-${"0".repeat(24)}`;
  service.host.machines.snapshots.set(dead, { vcpus: 1, memoryMb: 512 });
  service.host.machines.snapshots.set("not-of-ours", { vcpus: 1, memoryMb: 512 });
  const sandbox_id = await service.sandbox();
  const made = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  service.host.after["createSnapshot"] = () => {
    made.resolve();
    return held.promise;
  };
  const taking = take({ sandbox_id, name: "slow" });
  await made.promise;
  await eventually(async () => !contents().includes(dead) || undefined);
  held.resolve();
  assert.equal((await taking).status, 201);
  const store = (await storeNameOf("slow")) ?? "";
  assert.ok(contents().includes(store));
  assert.ok(contents().includes("not-of-ours"), "names of others are none of our business");
  service.host.machines.snapshots.delete("not-of-ours");
});
