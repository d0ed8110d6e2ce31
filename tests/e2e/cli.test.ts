import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { borrowPlatform } from "./lent-platform.ts";
import type { Platform } from "./platform.ts";

describe("the CLI against a running platform", () => {
  let platform: Platform;
  let id = "";
  let scratch = "";
  before(async () => {
    platform = await borrowPlatform();
    ({ id } = await platform.sandbox());
    scratch = await mkdtemp(join(tmpdir(), "wrenn-cli-"));
  });
  after(async () => {
    await rm(scratch, { recursive: true, force: true });
    await platform?.stop();
  });

  const sandboxes = async () => {
    const { stdout } = await platform.wrenn(["sandbox", "ls", "--json"]);
    return (JSON.parse(stdout.toString()) as { id: string; status: string }[]).filter(
      (s) => s.status === "running",
    );
  };

  it("run prints the command's stdout alone, takes over its status and leaves no sandbox", async () => {
    const result = await platform.wrenn(["run", "--", "python3", "-c", "print(6*7)"]);
    assert.equal(result.stdout.toString(), "42\n");
    assert.equal(result.status, 0);
    assert.equal((await platform.wrenn(["run", "--", "sh", "-c", "exit 5"])).status, 5);
    assert.equal((await platform.wrenn(["run", "--", "no-such-command"])).status, 127);
    assert.deepEqual(
      (await sandboxes()).map((sandbox) => sandbox.id),
      [id],
    );
  });

  it("exec maps every way to end to a status", async () => {
    const status = async (...args: string[]) => (await platform.wrenn(["exec", ...args])).status;
    assert.equal(await status(id, "--", "true"), 0);
    assert.equal(await status(id, "--", "sh", "-c", "exit 9"), 9);
    assert.equal(await status(id, "--", "sh", "-c", "kill -TERM $$"), 128 + 15);
    assert.equal(await status(id, "--", "no-such-command"), 127);
    assert.equal(await status("--timeout", "1", id, "--", "sleep", "30"), 124);
  });

  it("exec -i passes stdin through, binary and all", async () => {
    const bytes = randomBytes(300_000);
    const result = await platform.wrenn(["exec", "-i", id, "--", "cat"], { stdin: bytes });
    assert.equal(result.status, 0, result.stderr);
    assert.deepEqual(result.stdout, bytes);
  });

  it("cp copies files, directories and streams both ways", async () => {
    const bytes = randomBytes(200_000);
    await mkdir(join(scratch, "tree/sub"), { recursive: true });
    await writeFile(join(scratch, "tree/sub/a"), bytes);
    await writeFile(join(scratch, "tree/b"), "b");
    const ok = async (args: string[], stdin?: Buffer) => {
      const result = await platform.wrenn(["cp", ...args], stdin === undefined ? {} : { stdin });
      assert.equal(result.status, 0, `cp ${args.join(" ")}: ${result.stderr}`);
      return result.stdout;
    };
    await ok([join(scratch, "tree/sub/a"), `${id}:/home/user/a`]);
    await ok([`${id}:/home/user/a`, join(scratch, "back")]);
    assert.deepEqual(await readFile(join(scratch, "back")), bytes);
    await ok(["-", `${id}:/home/user/piped`], bytes);
    assert.deepEqual(await ok([`${id}:/home/user/piped`, "-"]), bytes);
    await ok(["-r", join(scratch, "tree"), `${id}:/home/user/tree`]);
    await ok(["-r", `${id}:/home/user/tree`, join(scratch, "tree2")]);
    assert.deepEqual(await readFile(join(scratch, "tree2/sub/a")), bytes);
    assert.equal((await platform.wrenn(["cp", `${id}:/absent`, join(scratch, "x")])).status, 1);
  });

  it("makes, shows, lists and removes sandboxes", async () => {
    const made = await platform.wrenn(["sandbox", "create", "--memory", "256", "--start", "cold", "--json"]);
    assert.equal(made.status, 0, made.stderr);
    const created = JSON.parse(made.stdout.toString()) as { id: string; memory_mb: number };
    assert.equal(created.memory_mb, 256);
    const info = await platform.wrenn(["sandbox", "info", created.id]);
    assert.match(info.stdout.toString(), new RegExp(created.id));
    assert.ok((await sandboxes()).some((sandbox) => sandbox.id === created.id));
    assert.equal((await platform.wrenn(["sandbox", "rm", created.id])).status, 0);
    assert.ok(!(await sandboxes()).some((sandbox) => sandbox.id === created.id));
    assert.notEqual((await platform.wrenn(["sandbox", "info", "sb-0000000000000000"])).status, 0);
  });

  it("makes, lists and revokes keys, and shows a secret once", async () => {
    const made = await platform.wrenn(["key", "create", "ci", "--json"]);
    assert.equal(made.status, 0, made.stderr);
    const { id: keyId, key } = JSON.parse(made.stdout.toString()) as { id: string; key: string };
    assert.match(key, /^wrn_[0-9a-f]{64}$/);
    assert.equal((await platform.call("GET", "/v1/sandboxes", { key })).status, 200);
    assert.equal(
      (await platform.call("GET", "/v1/sandboxes", { key: key.replace("wrn_", "e2b_") })).status,
      200,
    );
    const listed = (await platform.wrenn(["key", "ls", "--json"])).stdout.toString();
    assert.ok(listed.includes(keyId) && !listed.includes(key));
    assert.equal((await platform.wrenn(["key", "revoke", keyId])).status, 0);
    const deadline = Date.now() + 5000;
    while ((await platform.call("GET", "/v1/sandboxes", { key })).status !== 401) {
      assert.ok(Date.now() < deadline);
      await delay(50);
    }
  });

  it("lists templates, and says clearly what is wrong", async () => {
    assert.match((await platform.wrenn(["template", "ls"])).stdout.toString(), /minimal/);
    const absent = await platform.wrenn(["run", "--template", "absent", "--", "true"]);
    assert.notEqual(absent.status, 0);
    assert.match(absent.stderr, /absent/);
    const refused = await platform.wrenn(["sandbox", "ls"], {
      env: { WRENN_API_KEY: `wrn_${"0".repeat(64)}` },
    });
    assert.notEqual(refused.status, 0);
    assert.match(refused.stderr, /key/i);
    const nobody = await platform.wrenn(["sandbox", "ls"], { env: { WRENN_URL: "http://127.0.0.1:9" } });
    assert.notEqual(nobody.status, 0);
    assert.match(nobody.stderr, /wrenn up|reach|connect/i);
  });

  it("status and logs show the instance", async () => {
    const status = await platform.wrenn(["status", "--data-dir", platform.dataDir, "--json"]);
    assert.equal(status.status, 0, status.stderr);
    assert.ok(status.stdout.toString().includes(platform.url));
    const logs = await platform.wrenn(["logs", "host-agent", "--data-dir", platform.dataDir]);
    assert.match(logs.stdout.toString(), /host agent is ready/);
  });
});
