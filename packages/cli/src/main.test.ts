import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, it } from "node:test";
import { quick, SANDBOX_ID, type TestService, testService } from "./test-service.ts";

const MAIN = join(import.meta.dirname, "main.ts");

interface Result {
  status: number | null;
  stdout: string;
  stderr: string;
}

function start(service: TestService, args: string[], env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env["PATH"], WRENN_URL: service.url, WRENN_API_KEY: "wrn_test", ...env },
    stdio: "pipe",
  });
}

async function finish(child: ChildProcess): Promise<Result> {
  assert.ok(child.stdout && child.stderr);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return { status: child.exitCode, stdout, stderr };
}

async function wrenn(service: TestService, args: string[], { input = "", env = {} } = {}): Promise<Result> {
  const child = start(service, args, env);
  child.stdin?.on("error", () => undefined); // a command need not read its input
  child.stdin?.end(input);
  return finish(child);
}

function temporaryDirectory(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "wrenn-cli-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

describe("wrenn run", () => {
  it("passes output and exit status on, and leaves no sandbox behind", async () => {
    await using service = await testService();
    const result = await wrenn(service, [
      "run",
      "--memory",
      "1024",
      "--",
      "sh",
      "-c",
      "echo 42; echo no >&2; exit 3",
    ]);
    assert.deepEqual(quick(result), { status: 3, stdout: "42\n", stderr: "no\n" });
    assert.equal(service.alive.size, 0);
    assert.deepEqual(service.bodies.get("POST /v1/sandboxes"), {
      template: "minimal",
      memory_mb: 1024,
      timeout_sec: 300,
      on_timeout: "destroy",
    });
  });

  it("builds a template that is missing, and says so on stderr only", async () => {
    for (const template of ["missing", "building"] as const) {
      await using service = await testService({ template });
      const { status, stdout, stderr } = await wrenn(service, ["run", "--", "echo", "42"]);
      assert.deepEqual({ status, stdout }, { status: 0, stdout: "42\n" }, template);
      assert.match(stderr, /template minimal is not there yet; building it/);
      assert.match(stderr, /install packages: 2\.5 s/);
    }
  });

  it("deletes the sandbox when it is terminated", async () => {
    await using service = await testService();
    const child = start(service, ["run", "--", "sh", "-c", "echo ready; exec sleep 60"]);
    assert.ok(child.stdout);
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    assert.equal((await finish(child)).status, 143);
    assert.equal(service.alive.size, 0);
  });

  it("answers 125 when the platform fails", async () => {
    await using service = await testService();
    const { status, stderr } = await wrenn(service, ["run", "--", "true"], {
      env: { WRENN_API_KEY: "wrong" },
    });
    assert.equal(status, 125);
    assert.match(stderr, /the API key is not valid/);
  });
});

describe("wrenn exec", () => {
  const exec = (service: TestService, flags: string[], command: string[], input = "") =>
    wrenn(service, ["exec", ...flags, SANDBOX_ID, "--", ...command], { input });

  it("pipes standard input through, byte for byte", async () => {
    await using service = await testService();
    const input = randomBytes(300_000).toString("base64");
    const { status, stdout } = await exec(service, ["-i"], ["cat"], input);
    assert.equal(status, 0);
    assert.ok(stdout === input);
  });

  it("closes standard input without -i", async () => {
    await using service = await testService();
    assert.equal((await exec(service, [], ["cat"], "not for you")).stdout, "");
  });

  it("passes everything behind -- on untouched", async () => {
    await using service = await testService();
    const { stdout } = await exec(service, [], ["printf", "%s,", "--help", "--", "-v", "a b", ""]);
    assert.equal(stdout, "--help,--,-v,a b,,");
  });

  it("takes variables by value and by name", async () => {
    await using service = await testService();
    const args = [
      "exec",
      "-e",
      "A=1=2",
      "-e",
      "B",
      "-e",
      "MISSING",
      SANDBOX_ID,
      "--",
      "sh",
      "-c",
      "echo $A $B",
    ];
    assert.equal((await wrenn(service, args, { env: { B: "here" } })).stdout, "1=2 here\n");
  });

  const ends: [string, string[], string[], number][] = [
    ["a command that is not found", [], ["/does/not/exist"], 127],
    ["a signal", [], ["sh", "-c", "kill -9 $$"], 137],
    ["a time-out", ["--timeout", "1"], ["sleep", "60"], 124],
  ];
  for (const [what, flags, command, status] of ends) {
    it(`answers ${status} for ${what}`, async () => {
      await using service = await testService();
      assert.equal((await exec(service, flags, command)).status, status);
    });
  }

  it("hands the first Ctrl-C on to the command, and stops it at the second", async () => {
    await using service = await testService();
    const script = "trap 'echo caught' INT; echo ready; while :; do sleep 0.05; done";
    const child = start(service, ["exec", SANDBOX_ID, "--", "sh", "-c", script]);
    assert.ok(child.stdout);
    child.stdout.setEncoding("utf8");
    assert.match(String((await once(child.stdout, "data"))[0]), /ready/);
    child.kill("SIGINT");
    assert.match(String((await once(child.stdout, "data"))[0]), /caught/);
    child.kill("SIGINT");
    assert.equal((await finish(child)).status, 130);
  });

  it("stops the command when nobody reads its output", async () => {
    await using service = await testService();
    const child = start(service, ["exec", SANDBOX_ID, "--", "yes"]);
    assert.ok(child.stdout);
    await once(child.stdout, "data");
    child.stdout.destroy();
    await once(child, "exit");
    assert.equal(child.exitCode, 141);
  });

  it("captures the result with --json", async () => {
    await using service = await testService();
    const { status, stdout } = await exec(
      service,
      ["--json"],
      ["sh", "-c", "echo out; echo err >&2; exit 4"],
    );
    const { duration_ms, ...result } = JSON.parse(stdout) as { duration_ms: number };
    assert.equal(status, 4);
    assert.ok(duration_ms > 0);
    assert.deepEqual(result, {
      sandbox_id: SANDBOX_ID,
      cmd: "sh",
      stdout: "out\n",
      stderr: "err\n",
      encoding: "utf-8",
      exit_code: 4,
    });
  });
});

describe("wrenn cp", () => {
  it("copies a file in and out, into directories by its name", async () => {
    await using service = await testService();
    using directory = temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    const content = randomBytes(100_000);
    writeFileSync(at("a"), content);
    mkdirSync(at("guest"));
    mkdirSync(at("back"));
    assert.equal((await wrenn(service, ["cp", at("a"), `${SANDBOX_ID}:${at("guest")}`])).status, 0);
    assert.ok(readFileSync(at("guest/a")).equals(content));
    assert.equal((await wrenn(service, ["cp", `${SANDBOX_ID}:${at("guest/a")}`, at("back")])).status, 0);
    assert.ok(readFileSync(at("back/a")).equals(content));
  });

  it("copies from standard input and to standard output", async () => {
    await using service = await testService();
    using directory = temporaryDirectory();
    const remote = `${SANDBOX_ID}:${join(directory.path, "x")}`;
    assert.equal((await wrenn(service, ["cp", "-", remote], { input: "hello" })).status, 0);
    assert.deepEqual(quick(await wrenn(service, ["cp", remote, "-"])), {
      status: 0,
      stdout: "hello",
      stderr: "",
    });
  });

  it("copies a directory in and out", async () => {
    await using service = await testService();
    using directory = temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    mkdirSync(at("src/deep"), { recursive: true });
    writeFileSync(at("src/deep/file"), "content", { mode: 0o640 });
    symlinkSync("deep/file", at("src/link"));
    assert.deepEqual(quick(await wrenn(service, ["cp", "-r", at("src"), `${SANDBOX_ID}:${at("guest")}`])), {
      status: 0,
      stdout: "",
      stderr: "",
    });
    assert.equal(readFileSync(at("guest/link"), "utf8"), "content");
    const back = await wrenn(service, ["cp", `${SANDBOX_ID}:${at("guest")}`, at("back")]);
    assert.deepEqual(quick(back), { status: 0, stdout: "", stderr: "" });
    assert.equal(readFileSync(at("back/link"), "utf8"), "content");
  });

  it("says what is missing, and leaves nothing behind", async () => {
    await using service = await testService();
    using directory = temporaryDirectory();
    const target = join(directory.path, "target");
    const { status, stderr } = await wrenn(service, ["cp", `${SANDBOX_ID}:/does/not/exist`, target]);
    assert.equal(status, 1);
    assert.match(stderr, /\/does\/not\/exist does not exist/);
    assert.throws(() => readFileSync(target), { code: "ENOENT" });
  });

  it("says what the sandbox refused", async () => {
    await using service = await testService();
    using directory = temporaryDirectory();
    const target = join(directory.path, "file");
    writeFileSync(target, "in the way");
    const { status, stderr } = await wrenn(service, [
      "cp",
      import.meta.dirname,
      `${SANDBOX_ID}:${target}/sub`,
    ]);
    assert.equal(status, 1);
    assert.match(stderr, /cannot make the directory/);
  });
});

describe("wrenn sandbox, key", () => {
  it("prints ids and secrets alone on stdout, for $(…)", async () => {
    await using service = await testService();
    assert.equal((await wrenn(service, ["sandbox", "create"])).stdout, `${SANDBOX_ID}\n`);
    assert.equal((await wrenn(service, ["key", "create", "ci"])).stdout, "wrn_secret\n");
  });

  it("lists what is not stopped, as a table and as JSON", async () => {
    await using service = await testService();
    const table = (await wrenn(service, ["sandbox", "ls"])).stdout.split("\n");
    assert.match(table[0] ?? "", /^ID +STATUS +TEMPLATE/);
    assert.match(table[1] ?? "", new RegExp(`^${SANDBOX_ID} +running +minimal +1 +512 MiB .* owner=me$`));
    assert.equal(table.length, 3);
    const { stdout } = await wrenn(service, ["sandbox", "ls", "--all", "--json"]);
    assert.equal((JSON.parse(stdout) as unknown[]).length, 3);
  });

  it("says what is wrong and what to do", async () => {
    await using service = await testService();
    const unknown = await wrenn(service, ["sandbox", "info", "sb-aaaaaaaaaaaaaaaa"]);
    assert.deepEqual(unknown, { status: 1, stdout: "", stderr: "wrenn: no such thing (not_found)\n" });
    const wrong = await wrenn(service, ["sandbox", "create", "--vcpus", "many"]);
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /expected a whole number, got "many"/);
  });

  it("asks for a key rather than sending this machine's key elsewhere", async () => {
    await using service = await testService();
    const env = { WRENN_URL: "http://192.0.2.1:8000", WRENN_API_KEY: "" };
    const { status, stderr } = await wrenn(service, ["sandbox", "ls"], { env });
    assert.equal(status, 1);
    assert.match(stderr, /no API key for http:\/\/192\.0\.2\.1:8000: set WRENN_API_KEY/);
  });
});
