// The commands that save, copy and bring back sandboxes, each in a process of its own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { quick, SANDBOX_ID, type TestService, testService } from "./test-service.ts";

const MAIN = join(import.meta.dirname, "main.ts");
const PATH = `/v1/sandboxes/${SANDBOX_ID}`;

let service: TestService;
before(async () => {
  service = await testService();
});
after(() => service[Symbol.asyncDispose]());

async function wrenn(...args: string[]) {
  const env = { PATH: process.env["PATH"], WRENN_URL: service.url, WRENN_API_KEY: "wrn_test" };
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await ended;
  return quick({ status: child.exitCode, stdout, stderr });
}

const quiet = { status: 0, stdout: "", stderr: "" };

describe("wrenn sandbox pause, resume, fork, restore, ls", () => {
  it("say nothing when it worked, and all with --json", async () => {
    assert.deepEqual(await wrenn("sandbox", "pause", SANDBOX_ID), quiet);
    const { stdout } = await wrenn("sandbox", "pause", SANDBOX_ID, "--json");
    assert.equal((JSON.parse(stdout) as { status: string }).status, "paused");
    assert.deepEqual(await wrenn("sandbox", "restore", SANDBOX_ID, "warm"), quiet);
    assert.deepEqual(service.bodies.get(`POST ${PATH}/restore`), { snapshot: "warm" });
  });

  it("pass the reason of a refusal on, with the way out, and that way works", async () => {
    const refused = await wrenn("sandbox", "resume", SANDBOX_ID);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /saved by QEMU 8\.0; resume it with .*cold.*\(snapshot_incompatible\)/);
    assert.deepEqual(await wrenn("sandbox", "resume", "--start", "cold", SANDBOX_ID), quiet);
    assert.deepEqual(service.bodies.get(`POST ${PATH}/resume`), { start: "cold" });
  });

  it("fork prints an id a line", async () => {
    const made = await wrenn("sandbox", "fork", "-n", "3", "--metadata", "a=b", SANDBOX_ID);
    assert.deepEqual(made, { ...quiet, stdout: "sb-0\nsb-1\nsb-2\n" });
    assert.deepEqual(service.bodies.get(`POST ${PATH}/fork`), { count: 3, metadata: { a: "b" } });
    await wrenn("sandbox", "fork", SANDBOX_ID);
    assert.deepEqual(service.bodies.get(`POST ${PATH}/fork`), {});
  });

  it("ls tells what was deleted from what ended unasked", async () => {
    const { stdout } = await wrenn("sandbox", "ls", "--all");
    const states = stdout
      .split("\n")
      .map((line) => /(running|stopped( \(deleted\))?) +minimal/.exec(line)?.[1]);
    assert.deepEqual(states, [undefined, "running", "stopped", "stopped (deleted)", undefined]);
  });

  it("create takes how to start and what the time-out does", async () => {
    await wrenn("sandbox", "create", "--start", "cold", "--timeout", "60", "--on-timeout", "pause");
    assert.deepEqual(service.bodies.get("POST /v1/sandboxes"), {
      template: "minimal",
      timeout_sec: 60,
      on_timeout: "pause",
      start: "cold",
    });
    const wrong = await wrenn("sandbox", "create", "--start", "warm");
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /clone|cold/);
  });

  it("--help of each says what it does", async () => {
    for (const [command, what] of [
      ["pause", /processes, memory and files/],
      ["resume", /--start cold/],
      ["fork", /goes on running/],
      ["restore", /since the snapshot is gone/],
    ] as const) {
      const { status, stdout } = await wrenn("sandbox", command, "--help");
      assert.equal(status, 0);
      assert.match(stdout, what, command);
    }
  });
});

describe("wrenn snapshot", () => {
  it("create prints the name, given or made up", async () => {
    assert.deepEqual(await wrenn("snapshot", "create", SANDBOX_ID, "warm", "--overwrite"), {
      ...quiet,
      stdout: "warm\n",
    });
    assert.deepEqual(service.bodies.get("POST /v1/snapshots"), { sandbox_id: SANDBOX_ID, name: "warm" });
    assert.equal(service.queries.get("POST /v1/snapshots"), "overwrite=true");
    assert.equal((await wrenn("snapshot", "create", SANDBOX_ID)).stdout, "template-1a2b3c4d\n");
    await wrenn("snapshot", "create", "--leave", "paused", SANDBOX_ID);
    assert.deepEqual(service.bodies.get("POST /v1/snapshots"), { sandbox_id: SANDBOX_ID, leave: "paused" });
    assert.equal(service.queries.get("POST /v1/snapshots"), "overwrite=false");
  });

  it("ls shows snapshots, with --all base templates too; rm deletes", async () => {
    const { stdout } = await wrenn("snapshot", "ls");
    assert.match(stdout, /^NAME +TYPE .*\nwarm +snapshot +1 +512 MiB +80\.0 MiB /);
    assert.match(service.queries.get("GET /v1/snapshots") ?? "", /type=snapshot/);
    await wrenn("snapshot", "ls", "--all");
    assert.doesNotMatch(service.queries.get("GET /v1/snapshots") ?? "", /type=/);
    assert.deepEqual(await wrenn("snapshot", "rm", "warm"), quiet);
    assert.ok(service.calls.includes("DELETE /v1/snapshots/warm"));
  });
});

describe("wrenn storage", () => {
  it("shows the largest first, with what needs it, and JSON for programs", async () => {
    const { stdout } = await wrenn("storage");
    const [summary, titles, first, second] = stdout.split("\n");
    assert.equal(summary, "host local: 393.0 MiB in use, 1.0 TiB of 2.0 TiB free");
    assert.match(titles ?? "", /^KIND +ID +SIZE +USED BY +NAME$/);
    assert.match(
      first ?? "",
      /^image +abababababab… +393\.0 MiB +template minimal, sandbox sb-\w+ +minimal$/,
    );
    assert.match(second ?? "", new RegExp(`^sandbox +${SANDBOX_ID} +1\\.0 KiB +nothing$`));
    const { stdout: json } = await wrenn("storage", "--json");
    assert.equal((JSON.parse(json) as { hosts: unknown[] }).hosts.length, 1);
  });
});

describe("wrenn snapshot rm", () => {
  it("deletes all that it can, says of the others why not, and fails then", async () => {
    const { status, stdout, stderr } = await wrenn("snapshot", "rm", "cold", "warm", "hot", "--json");
    assert.equal(status, 1);
    assert.deepEqual(JSON.parse(stdout), { deleted: ["warm"] });
    assert.equal(stderr.match(/not_found/g)?.length, 2, stderr);
  });
});
