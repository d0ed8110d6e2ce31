// Tags of templates, by E2B's unmodified client; a fake host in place of machines.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Sandbox, Template } from "e2b";
import {
  assignTags,
  forgetSnapshot,
  recordSnapshot,
} from "../../packages/control-plane/src/db/queries/snapshots.ts";
import { eventually } from "./eventually.ts";
import { e2bOptions, type TestService, testService } from "./service.ts";

describe("tags of templates", () => {
  let service: TestService;
  let options: ReturnType<typeof e2bOptions>;
  let sandbox: Sandbox;
  before(async () => {
    service = await testService();
    options = e2bOptions(service);
    sandbox = await Sandbox.create(options);
  });
  after(() => service[Symbol.asyncDispose]());

  const snapshot = (name: string) => sandbox.createSnapshot({ name });
  const tags = async (name: string) =>
    (await Template.getTags(name, options)).map(({ tag }) => tag).toSorted();
  /** What a sandbox that is made from the reference really begins with. */
  const contentOf = async (reference: string) => {
    const made = await Sandbox.create(reference, options);
    const { message } = service.host.callsOf("createSandbox").at(-1) ?? {};
    await made.kill();
    return (message as { template: string }).template;
  };
  const contents = () => [...service.host.machines.snapshots.keys()];

  it("stand for what they were given, whatever becomes of the name", async () => {
    await snapshot("app");
    const first = await contentOf("app");
    const assigned = await Template.assignTags("app", ["v1", "stable"], options);
    assert.deepEqual(assigned.tags, ["v1", "stable"]);
    assert.deepEqual(await tags("app"), ["default", "stable", "v1"]);
    await snapshot("app");
    const second = await contentOf("app");
    assert.notEqual(second, first);
    assert.equal(await contentOf("app:v1"), first);
    assert.equal(await contentOf("app:default"), second);
    await Template.assignTags("app", "stable", options);
    assert.deepEqual([await contentOf("app:stable"), await contentOf("app:v1")], [second, first]);
    assert.deepEqual(
      contents().toSorted(),
      [first, second].toSorted(),
      "content stays while a tag stands for it",
    );
    await Template.removeTags("app", ["v1", "never-there"], options);
    await eventually(async () => contents().length === 1 || undefined);
    assert.deepEqual(contents(), [second]);
    await assert.rejects(Sandbox.create("app:v1", options), /^Error: 404|404/);
  });

  it("go with their template", async () => {
    await snapshot("whole");
    await Template.assignTags("whole:default", "v1", options);
    assert.equal(await Template.exists("whole", options), true);
    assert.equal(await Template.exists("whole:v1", options), true);
    assert.equal(await Template.exists("whole:v2", options), false);
    assert.equal(await Sandbox.deleteSnapshot("whole:v1", options), true);
    assert.deepEqual(await tags("whole"), ["default"]);
    await Template.assignTags("whole", "v2", options);
    assert.equal(await Sandbox.deleteSnapshot("whole", options), true);
    await assert.rejects(tags("whole"), /404/);
    assert.equal(await Template.exists("whole:v2", options), false);
  });

  it("of one owner are nobody else's, and templates are listed once", async () => {
    await snapshot("mine");
    await Template.assignTags("mine", ["v1"], options);
    const other = { ...options, apiKey: (await service.keyOf("other")).replace("wrn_", "e2b_") };
    await assert.rejects(Template.getTags("mine", other), /404/);
    await assert.rejects(Template.assignTags("mine", "v2", other), /404/);
    await assert.rejects(Template.removeTags("mine", "v1", other), /404/);
    await assert.rejects(Sandbox.create("mine:v1", other), /404/);
    const headers = { "x-api-key": options.apiKey };
    const listed = (await (await fetch(`${service.url}/templates`, { headers })).json()) as {
      names: string[];
    }[];
    assert.equal(listed.filter(({ names }) => names.includes("mine")).length, 1);
    const { body } = await service.call("GET", "/v1/snapshots");
    assert.equal((body as { name: string }[]).filter(({ name }) => name === "mine").length, 1);
  });

  it("are refused where they cannot be", async () => {
    await snapshot("bounds");
    await assert.rejects(Template.removeTags("bounds", "default", options), /400.*delete that/);
    await assert.rejects(Template.assignTags("bounds", "a b", options), /400/);
    await assert.rejects(Template.assignTags("bounds:nothing", "v1", options), /404/);
    await assert.rejects(Template.assignTags("base", "v1", options), /404/);
    for (let i = 0; i < 4; i++) {
      const more = Array.from({ length: 16 }, (_, at) => `t${16 * i + at}`);
      if (i < 3) await Template.assignTags("bounds", more, options);
      else await assert.rejects(Template.assignTags("bounds", more, options), /400.*at most 64/);
    }
    assert.equal((await tags("bounds")).length, 49);
    const more = { ...options, tags: Array.from({ length: 16 }, (_, at) => `b${at}`) };
    await assert.rejects(Template.build(Template().fromTemplate("base"), "bounds", more), /400.*at most 64/);
  });

  it("may be given, replaced and taken away at once by many", async () => {
    await snapshot("busy");
    const { db } = service.database;
    const row = await db
      .selectFrom("templates")
      .selectAll()
      .where("name", "=", "busy")
      .executeTakeFirstOrThrow();
    const { owner, name, store_name: storeName, sandbox_id, vcpus, memory_mb, disk_mb, size_bytes } = row;
    const whole = { owner: owner ?? "", name, storeName, sandbox_id: sandbox_id ?? "", vcpus };
    const content = { ...whole, memory_mb, disk_mb: disk_mb ?? 0, sizeBytes: Number(size_bytes) };
    const naming = { overwrite: true, tags: ["b", "default", "a"] };
    for (let round = 0; round < 40; round++) {
      await Promise.all([
        recordSnapshot(db, content, naming),
        assignTags(db, { owner: whole.owner, name, source: "default", tags: ["b", "a"] }),
        forgetSnapshot(db, whole.owner, name, ["a", "b"]),
      ]);
    }
    assert.ok((await tags("busy")).includes("default"));
  });
});
