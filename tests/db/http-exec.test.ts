// Running commands over HTTP.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { eventually } from "./eventually.ts";
import { hostError } from "./host-error.ts";
import { type TestService, testService } from "./service.ts";

let service: TestService;
let id: string;
before(async () => {
  service = await testService();
  id = await service.sandbox();
});
after(() => service[Symbol.asyncDispose]());

const exec = (body: object, headers = {}) =>
  service.call("POST", `/v1/sandboxes/${id}/exec`, { body, headers });

describe("POST /v1/sandboxes/{id}/exec", () => {
  test("answers with the output, the code and the time that the guest took", async () => {
    const { status, body, headers } = await exec(
      { cmd: "echo", args: ["a", "b"] },
      { "x-request-id": "trace-7" },
    );
    assert.equal(status, 200);
    assert.deepEqual(body, {
      sandbox_id: id,
      cmd: "echo",
      stdout: "a b\n",
      stderr: "",
      exit_code: 0,
      duration_ms: 1.5,
      encoding: "utf-8",
    });
    const timing = /^host;dur=([\d.]+), guest;dur=([\d.]+)$/.exec(headers.get("server-timing") ?? "");
    assert.ok(Number(timing?.[1]) > 0);
    assert.equal(Number(timing?.[2]), 1.5);
    assert.equal(service.host.callsOf("exec").at(-1)?.requestId, "trace-7");
  });

  test("passes stdin, user, directory and environment on", async () => {
    const body = { cmd: "cat", stdin: "é\0", user: "root", cwd: "/tmp", envs: { A: "1" }, timeout_sec: 9 };
    assert.equal((await exec(body)).body.stdout, "é\0");
    const sent = service.host.callsOf("exec").at(-1)?.message as Record<string, unknown>;
    assert.deepEqual(
      [sent["user"], sent["cwd"], sent["envs"], sent["timeoutSec"]],
      ["root", "/tmp", { A: "1" }, 9],
    );
  });

  test("a failing command is a 200 with its code", async () => {
    assert.equal((await exec({ cmd: "3" })).body.exit_code, 3);
  });

  test("output that is not UTF-8 comes in base64, both streams alike", async () => {
    const { body } = await exec({ cmd: "binary" });
    assert.equal(body.encoding, "base64");
    assert.deepEqual(Buffer.from(body.stdout, "base64"), Buffer.from([0xff, 0x00]));
    assert.equal(Buffer.from(body.stderr, "base64").toString(), "é");
  });

  test("a character that the bound cut in two does not turn text into base64", async () => {
    const { body } = await exec({ cmd: "cut" });
    assert.deepEqual([body.stdout, body.encoding, body.truncated], ["a", "utf-8", true]);
  });

  test("a time-out and a signal are a 200 without a code", async () => {
    const late = await exec({ cmd: "sleep", timeout_sec: 1 });
    assert.deepEqual(
      [late.status, late.body.timed_out, late.body.exit_code, late.body.stdout],
      [200, true, null, "so far"],
    );
    const killed = await exec({ cmd: "killed" });
    assert.deepEqual([killed.status, killed.body.signal, killed.body.exit_code], [200, "SIGKILL", null]);
  });

  test("a command that is not there is a 400 command_not_found", async () => {
    const { status, body } = await exec({ cmd: "missing" });
    assert.deepEqual([status, body.error.code, body.error.field], [400, "command_not_found", "cmd"]);
  });

  test("a sandbox that its host no longer holds is in the wrong state, not unknown", async () => {
    service.host.before["exec"] = () => {
      throw hostError("not_found", Code.NotFound);
    };
    const answer = await exec({ cmd: "echo" });
    service.host.before = {};
    assert.deepEqual([answer.status, answer.body.error.code], [409, "invalid_state"]);
  });

  for (const [code, connect, status] of [
    ["invalid_state", Code.FailedPrecondition, 409],
    ["capacity", Code.ResourceExhausted, 429],
    ["no_space", Code.ResourceExhausted, 507],
    ["guest_unreachable", Code.Unavailable, 502],
    ["deadline_exceeded", Code.DeadlineExceeded, 504],
  ] as const) {
    test(`the host's ${code} is a ${status}`, async () => {
      service.host.before["exec"] = () => {
        throw hostError(code, connect);
      };
      const answer = await exec({ cmd: "echo" });
      service.host.before = {};
      assert.deepEqual([answer.status, answer.body.error.code], [status, code]);
    });
  }

  for (const [what, body, field] of [
    ["no command", {}, "cmd"],
    ["an empty command", { cmd: "" }, "cmd"],
    ["NUL in an argument", { cmd: "a", args: ["x", "\0"] }, "args[1]"],
    ["too many arguments", { cmd: "a", args: Array(1025).fill("") }, "args"],
    ["a time-out of 0", { cmd: "a", timeout_sec: 0 }, "timeout_sec"],
    ["a relative directory", { cmd: "a", cwd: "tmp" }, "cwd"],
    ["a directory with ..", { cmd: "a", cwd: "/tmp/../etc" }, "cwd"],
    ["a user that is a path", { cmd: "a", user: "../root" }, "user"],
    ["an unknown field", { cmd: "a", shell: true }, "shell"],
  ] as const) {
    test(`refuses ${what} with a 400 that names ${field}`, async () => {
      const answer = await exec(body);
      assert.deepEqual([answer.status, answer.body.error.field], [400, field]);
    });
  }

  test("moves last_active_at, at once and in the database a moment later", async () => {
    const since = new Date().toISOString();
    await exec({ cmd: "echo" });
    const { body } = await service.call("GET", `/v1/sandboxes/${id}`);
    assert.ok(body.last_active_at >= since);
  });

  test("is a 503 while the host is away, and the sandbox stays running", async () => {
    await service.host.goAway();
    const answer = await exec({ cmd: "echo" });
    assert.deepEqual([answer.status, answer.body.error.code], [503, "unavailable"]);
    await eventually(async () => (await service.call("GET", "/health")).status === 503 || undefined);
    assert.equal((await service.call("GET", `/v1/sandboxes/${id}`)).body.status, "running");
    await service.host.listen();
    assert.equal(
      (await exec({ cmd: "echo" })).status,
      200,
      "no round of the background work is needed for that",
    );
    await eventually(async () => (await service.call("GET", "/health")).status === 200 || undefined);
  });
});

describe("Idempotency-Key", () => {
  test("a repetition gets the first answer, and nothing runs twice, at once or later", async () => {
    const body = { metadata: { probe: "idempotent" } };
    const headers = { "idempotency-key": "once" };
    const make = () => service.call("POST", "/v1/sandboxes", { body, headers });
    const answers = [...(await Promise.all([make(), make(), make()])), await make()];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [201, 201, 201, 201],
    );
    assert.equal(new Set(answers.map((answer) => JSON.stringify(answer.body))).size, 1);
    const list = await service.call("GET", "/v1/sandboxes?metadata.probe=idempotent");
    assert.equal(list.body.length, 1);
  });

  test("survives a restart of the control plane", async () => {
    const headers = { "idempotency-key": "over a restart".replaceAll(" ", "-") };
    const first = await service.call("POST", "/v1/sandboxes", { headers });
    await service.restart();
    const second = await service.call("POST", "/v1/sandboxes", { headers });
    assert.equal(second.status, 201);
    assert.deepEqual(second.body, first.body);
  });

  test("with another body or path it is a 409 idempotency_mismatch", async () => {
    const headers = { "idempotency-key": "mine" };
    assert.equal((await exec({ cmd: "echo" }, headers)).status, 200);
    const other = await exec({ cmd: "echo", args: ["x"] }, headers);
    assert.deepEqual([other.status, other.body.error.code], [409, "idempotency_mismatch"]);
    assert.equal((await service.call("POST", "/v1/sandboxes", { headers })).status, 409);
  });

  test("belongs to an owner", async () => {
    const headers = { "idempotency-key": "mine" };
    const key = await service.keyOf("someone");
    assert.equal((await service.call("POST", "/v1/sandboxes", { headers, key })).status, 201);
  });

  test("is free again after a refusal, and final after a failure of unknown outcome", async () => {
    const refused = { "idempotency-key": "refused" };
    assert.equal((await exec({ cmd: "missing" }, refused)).status, 400);
    assert.equal((await exec({ cmd: "echo" }, refused)).status, 200);
    const failed = { "idempotency-key": "failed" };
    service.host.before["exec"] = () => {
      throw hostError("guest_unreachable", Code.Unavailable);
    };
    assert.equal((await exec({ cmd: "echo" }, failed)).status, 502);
    service.host.before = {};
    assert.equal((await exec({ cmd: "echo" }, failed)).status, 502);
  });

  test("an answer that is too large to keep is not made again either", async () => {
    const headers = { "idempotency-key": "large" };
    const body = { cmd: "cat", stdin: "x".repeat(1024 * 1024 - 100) };
    assert.equal((await exec(body, headers)).status, 200);
    const before = service.host.callsOf("exec").length;
    assert.equal((await exec(body, headers)).status, 409);
    assert.equal(service.host.callsOf("exec").length, before);
  });

  test("must be printable", async () => {
    const { status, body } = await exec({ cmd: "echo" }, { "idempotency-key": "a b" });
    assert.deepEqual([status, body.error.field], [400, "idempotency-key"]);
  });
});
