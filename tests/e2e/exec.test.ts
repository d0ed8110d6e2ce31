import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { ExecRequest, ExecResponse } from "@wrenn/sdk";
import { borrowPlatform } from "./lent-platform.ts";
import type { Platform } from "./platform.ts";

describe("exec over REST", () => {
  let platform: Platform;
  let id = "";
  before(async () => {
    platform = await borrowPlatform();
    id = (await platform.sandbox()).id;
  });
  after(() => platform?.stop());

  const exec = (request: ExecRequest): Promise<ExecResponse> => platform.client.sandboxes.exec(id, request);
  const shell = (script: string, more: Partial<ExecRequest> = {}) =>
    exec({ cmd: "bash", args: ["-c", script], ...more });

  it("gives output, exit code and duration, and implies no shell", async () => {
    const result = await exec({ cmd: "printf", args: ["%s|", "$HOME", "a b", "; exit 3"] });
    assert.equal(result.stdout, "$HOME|a b|; exit 3|");
    assert.equal(result.exit_code, 0);
    assert.equal(result.encoding, "utf-8");
    assert.equal(result.sandbox_id, id);
    assert.ok(result.duration_ms >= 0);
    assert.equal((await shell("echo oops >&2; exit 7")).exit_code, 7);
  });

  it("runs as the template's user by default, as root when asked, and as nobody unknown", async () => {
    assert.equal((await exec({ cmd: "id", args: ["-un"] })).stdout.trim(), "user");
    assert.equal((await exec({ cmd: "id", args: ["-un"], user: "root" })).stdout.trim(), "root");
    assert.equal((await exec({ cmd: "sudo", args: ["-n", "id", "-u"] })).stdout.trim(), "0");
    const refused = await platform.call("POST", `/v1/sandboxes/${id}/exec`, {
      body: { cmd: "id", user: "mallory" },
    });
    assert.equal(refused.status, 400);
    assert.equal(((await refused.json()) as { error: { field: string } }).error.field, "user");
  });

  it("passes working directory, environment and stdin", async () => {
    const { stdout } = await shell("pwd; echo $GREETING; cat", {
      cwd: "/tmp",
      envs: { GREETING: "hi" },
      stdin: "in\n",
    });
    assert.equal(stdout, "/tmp\nhi\nin\n");
    const large = "x".repeat(700_000);
    assert.equal((await exec({ cmd: "wc", args: ["-c"], stdin: large })).stdout.trim(), "700000");
    const missing = await platform.call("POST", `/v1/sandboxes/${id}/exec`, {
      body: { cmd: "ls", cwd: "/absent" },
    });
    assert.equal(missing.status, 400);
  });

  it("names a command that is not there", async () => {
    const response = await platform.call("POST", `/v1/sandboxes/${id}/exec`, {
      body: { cmd: "no-such-command" },
    });
    assert.equal(response.status, 400);
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    assert.equal(error.code, "command_not_found");
    assert.match(error.message, /no-such-command/);
  });

  it("gives bytes that are not UTF-8 as base64, whole", async () => {
    const result = await shell("head -c 1000 /dev/zero | tr '\\0' '\\377'; echo ok >&2");
    assert.equal(result.encoding, "base64");
    assert.deepEqual(Buffer.from(result.stdout, "base64"), Buffer.alloc(1000, 0xff));
    assert.equal(Buffer.from(result.stderr, "base64").toString(), "ok\n");
  });

  it("tells death by signal from an exit code", async () => {
    const result = await shell("kill -KILL $$");
    assert.equal(result.exit_code, null);
    assert.equal(result.signal, "SIGKILL");
  });

  it("kills everything that a command started when its time is up, and keeps what it printed", async () => {
    const marker = `sleep 98765`;
    const result = await shell(`echo begun; setsid ${marker} & (${marker} &) ; ${marker}`, {
      timeout_sec: 2,
    });
    assert.equal(result.timed_out, true);
    assert.equal(result.exit_code, null);
    assert.equal(result.stdout, "begun\n");
    assert.equal((await exec({ cmd: "pgrep", args: ["-fc", marker] })).stdout.trim(), "0");
  });

  it("does not wait for a background child that keeps stdout open", async () => {
    const began = Date.now();
    const result = await shell("sleep 30 & echo done");
    assert.equal(result.stdout, "done\n");
    assert.equal(result.exit_code, 0);
    assert.ok(Date.now() - began < 10_000, `took ${Date.now() - began} ms`);
  });

  it("truncates captured output at its bound and lets the command finish", async () => {
    const result = await shell("head -c 12000000 /dev/zero | tr '\\0' a; exit 5");
    assert.equal(result.truncated, true);
    assert.equal(result.stdout.length, 10 * 1024 * 1024);
    assert.equal(result.exit_code, 5);
  });

  it("runs commands side by side", async () => {
    const results = await Promise.all(Array.from({ length: 8 }, (_, i) => shell(`sleep 1; echo ${i}`)));
    assert.deepEqual(
      results.map((result) => result.stdout.trim()),
      ["0", "1", "2", "3", "4", "5", "6", "7"],
    );
  });
});
