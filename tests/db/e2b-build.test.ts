// Builds of templates by E2B's unmodified client: steps, cached layers and defaults. A fake host in place of machines, and in
// place of every guest one real agent, which runs on this machine.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { Sandbox, Template, type TemplateClass } from "e2b";
import { evictLayers } from "../../packages/control-plane/src/db/queries/layers.ts";
import { RunningEnvd, TOKEN } from "../../packages/envd/src/testing/running-envd.ts";
import { eventually } from "./eventually.ts";
import { e2bOptions, type TestService, testService } from "./service.ts";

interface BuildImage {
  name: string;
  image: { reference: string; password: string };
}

describe("template builds", () => {
  let dir = "";
  let envd: RunningEnvd;
  let service: TestService;
  let options: ReturnType<typeof e2bOptions>;
  let count = 0;
  /** Where steps leave a line each time they are carried out. */
  let trace = "";

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "wrenn-build-"));
    envd = await RunningEnvd.start({ args: ["--defaults", join(dir, "defaults.json")] });
    service = await testService();
    service.host.machines.token = TOKEN;
    service.host.tunnels.ports.set(49_983, Number(new URL(envd.url).port));
    options = e2bOptions(service);
  });
  beforeEach(() => {
    trace = join(dir, `trace-${count++}`);
  });
  after(async () => {
    await service?.[Symbol.asyncDispose]();
    await envd?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  const steps = (...names: string[]) =>
    names.reduce(
      (template, name) => template.runCmd(`echo ${name} >> ${trace}`),
      Template().fromTemplate("base").setUser("root").setWorkdir(dir),
    );
  const done = async () => (await readFile(trace, "utf8").catch(() => "")).split("\n").filter(Boolean);
  const build = async (template: TemplateClass, name = "built", more: object = {}) => {
    const log: string[] = [];
    await Template.build(template, name, {
      ...options,
      ...more,
      onBuildLogs: ({ message }) => log.push(message),
    });
    return log;
  };
  const cached = (log: string[]) => log.filter((line) => line.startsWith("CACHED")).length;
  const stores = () => [...service.host.machines.snapshots.keys()];

  it("a step with the same history is not carried out again, and the log says so", async () => {
    assert.equal(cached(await build(steps("one", "two"))), 0);
    const again = await build(steps("one", "two", "three"));
    assert.deepEqual(await done(), ["one", "two", "three"]);
    assert.ok(
      again.some((line) => /^CACHED \[\d\/\d\] RUN echo two/.test(line)),
      again.join("\n"),
    );
    assert.ok(
      again.some((line) => /^\[\d\/\d\] RUN echo three/.test(line)),
      again.join("\n"),
    );
    const all = await build(steps("one", "two", "three"));
    assert.equal(cached(all), all.filter((line) => /^(CACHED )?\[\d\/\d\]/.test(line)).length);
    assert.deepEqual(await done(), ["one", "two", "three"]);
    const other = await build(steps("one", "2", "three"));
    assert.deepEqual(await done(), ["one", "two", "three", "2", "three"]);
    assert.ok(cached(other) > 0);
  });

  it("is carried out again where that is asked for", async () => {
    await build(steps("one"));
    await build(steps("one"), "built", { skipCache: true });
    assert.deepEqual(await done(), ["one", "one"]);
    const template = steps("one").skipCache().runCmd(`echo two >> ${trace}`);
    await build(template);
    await build(template);
    assert.deepEqual(await done(), ["one", "one", "two", "two"]);
  });

  it("of one owner, layers are no use to another", async () => {
    await build(steps("one"));
    const apiKey = (await service.keyOf("other")).replace("wrn_", "e2b_");
    assert.equal(cached(await build(steps("one"), "theirs", { apiKey })), 0);
    assert.deepEqual(await done(), ["one", "one"]);
  });

  it("a layer that is gone from its host is made again", async () => {
    await build(steps("one"));
    service.host.machines.snapshots.clear();
    const log = await build(steps("one"));
    assert.ok(
      log.some((line) => line.includes("of no use")),
      log.join("\n"),
    );
    assert.deepEqual(await done(), ["one", "one"]);
    assert.ok(cached(await build(steps("one"))) > 0);
  });

  it("layers are in no list, have no name, and go when there is no room", async () => {
    await build(steps("one", "two"), "listed");
    const { body } = await service.call("GET", "/v1/snapshots");
    const names = (body as { name: string }[]).map(({ name }) => name);
    assert.ok(names.includes("listed"));
    assert.ok(
      names.every((name) => !/^[0-9a-f]{64}$/.test(name)),
      names.join(" "),
    );
    const layers = await service.database.db
      .selectFrom("templates")
      .select(["name", "store_name"])
      .where("type", "=", "layer")
      .execute();
    assert.ok(layers.length >= 2);
    for (const reference of [layers[0]?.name ?? "", `${layers[0]?.name}::layer`])
      await assert.rejects(Sandbox.create(reference, options), /40[04]/);
    // Each takes 8 KiB on the fake host.
    const gone = await evictLayers(service.database.db, { maxBytes: 3 * 8_192, maxCount: 2 });
    assert.equal(gone.length, layers.length - 2);
    assert.equal(cached(await build(steps("one", "two"), "listed")), 4, "the newest stay");
    await using small = await testService({ WRENN_LAYER_CACHE_MB: "0" });
    small.host.machines.token = TOKEN;
    small.host.tunnels.ports.set(49_983, Number(new URL(envd.url).port));
    const there = { apiKey: small.key.replace("wrn_", "e2b_"), apiUrl: small.url, sandboxUrl: small.url };
    await build(steps("three"), "small", there);
    assert.equal(small.host.machines.snapshots.size, 1, "the template and no layer");
  });

  it("the reconciler leaves layers alone", async () => {
    await build(steps("one"));
    const before = stores();
    const rounds = service.host.callsOf("listSandboxes").length;
    await eventually(async () => service.host.callsOf("listSandboxes").length > rounds + 8 || undefined);
    assert.deepEqual(stores(), before);
  });

  it("what a template says about its sandboxes is kept in the guest, and where the next build begins", async () => {
    const template = Template()
      .fromTemplate("base")
      .setUser("root")
      .setWorkdir(dir)
      .setEnvs({ COLOUR: 'it\'s "blue" & $green' });
    await build(template, "parent");
    const kept = JSON.parse(await readFile(join(dir, "defaults.json"), "utf8"));
    assert.equal(kept.envVars.COLOUR, 'it\'s "blue" & $green');
    assert.deepEqual([kept.defaultUser, kept.defaultWorkdir], ["root", dir]);
    await build(Template().fromTemplate("parent").runCmd(`pwd >> ${trace}; whoami >> ${trace}`), "child");
    assert.deepEqual(await done(), [dir, "root"]);
  });

  it("a child's PATH builds on its parent's", async () => {
    const parent = Template().fromTemplate("base").setUser("root").setWorkdir(dir);
    await build(parent.setEnvs({ PATH: "/opt/bin:$PATH" }), "with-path");
    const child = Template().fromTemplate("with-path").setEnvs({ PATH: "/more:$PATH" });
    await build(child.runCmd(`echo $PATH >> ${trace}`), "child-of-path");
    assert.match((await done()).at(-1) ?? "", /\/more:\/opt\/bin:\/usr/);
    const kept = JSON.parse(await readFile(join(dir, "defaults.json"), "utf8"));
    assert.match(kept.envVars.PATH, /^\/more:\/opt\/bin:\/usr/);
  });

  it("an image is made a template of for one build, and is a layer from then on", async () => {
    const digest = `sha256:${"1".repeat(64)}`;
    service.host.images.set("oci:app:v1", { digest, envs: { FROM_IMAGE: "yes" } });
    const template = () =>
      Template()
        .fromImage("oci:app:v1", { username: "somebody", password: "a secret of the test" })
        .setUser("root")
        .setWorkdir(dir)
        .runCmd(`echo $FROM_IMAGE >> ${trace}`);
    const log = await build(template(), "of-image");
    assert.ok(log.includes("layer 1 of 1"), log.join("\n"));
    assert.deepEqual(await done(), ["yes"]);
    const [built] = service.host.callsOf("buildImage").map(({ message }) => message as never as BuildImage);
    assert.match(built?.name ?? "", /^image-/);
    assert.equal(built?.image.reference, `oci:app@${digest}`);
    assert.equal(built?.image.password, "a secret of the test");
    const creates = service.host
      .callsOf("createSandbox")
      .map(({ message }) => message as { template: string });
    assert.equal(creates.at(-1)?.template, built?.name);
    assert.equal(service.host.templates.has(built?.name ?? ""), false, "its name is gone");
    const headers = { "x-api-key": options.apiKey };
    const listed = await (await fetch(`${service.url}/templates`, { headers })).text();
    assert.doesNotMatch(listed, /"image-/);
    assert.match(listed, /"of-image"/);

    assert.ok(cached(await build(template(), "of-image")) > 0);
    await build(Template().fromImage("oci:app:v1").setUser("root").setWorkdir(dir).runCmd("true"), "other");
    assert.equal(service.host.callsOf("buildImage").length, 1, "the image's layer is enough");
    service.host.images.set("oci:app:v1", { digest: digest.replaceAll("1", "2"), envs: {} });
    await build(template(), "of-image");
    assert.equal(service.host.callsOf("buildImage").length, 2, "the name stands for another image now");

    const dump = await service.database.db.selectFrom("templates").selectAll().execute();
    const audit = await service.database.db.selectFrom("audit_events").selectAll().execute();
    assert.doesNotMatch(JSON.stringify([dump, audit, log]), /secret of the test/);
    await assert.rejects(build(Template().fromImage("oci:nothing"), "none"), /no image oci:nothing/);
    const aws = Template().fromAWSRegistry("x.example/y", {
      accessKeyId: "a",
      secretAccessKey: "b",
      region: "c",
    });
    await assert.rejects(build(aws, "none"), /501.*not supported/);
  });

  it("what a build that died has left of an image goes", async () => {
    const left = `image-7ffffffe-${"0".repeat(24)}`;
    service.host.templates.add(left);
    await eventually(async () => !service.host.templates.has(left) || undefined);
    const { body } = await service.call("GET", "/v1/snapshots");
    assert.doesNotMatch(JSON.stringify(body), /image-7/);
  });

  it("a failed step is the build's failure, and what came before it is cached", async () => {
    const failing = steps("one").runCmd("exit 7");
    await assert.rejects(build(failing, "failing"), /exit status 7/);
    await build(steps("one"), "failing");
    assert.deepEqual(await done(), ["one"]);
  });
});
