// The agent as a whole: access, /init, and what children inherit.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { bunExecutable } from "./build.ts";
import { run, until } from "./testing/run-command.ts";
import { RunningEnvd, TOKEN } from "./testing/running-envd.ts";
import { ENVD_VERSION } from "./version.ts";

let envd: RunningEnvd;
before(async () => {
  envd = await RunningEnvd.start({
    init: null,
    env: { LD_LIBRARY_PATH: "/nowhere", SECRET: "of the agent" },
  });
});
after(() => envd[Symbol.asyncDispose]());

test("before /init nothing but /health is answered", async () => {
  assert.equal((await fetch(`${envd.url}/health`)).status, 204);
  for (const path of ["/envs", "/metrics", "/files?path=/etc/passwd", "/nothing"]) {
    const reply = await fetch(envd.url + path);
    assert.equal(reply.status, 401, path);
    const body = (await reply.json()) as { code: number; error_code: string };
    assert.deepEqual([body.code, body.error_code], [401, "unauthorized"]);
  }
  await assert.rejects(
    envd.process.list({}),
    (e) => e instanceof ConnectError && e.code === Code.Unauthenticated,
  );
});

test("/init refuses a wrong body, names the field, and changes nothing", async () => {
  const wrong: [string, unknown][] = [
    ["accessToken", 5],
    ["accessToken", ""],
    ["envVars", { "A=B": "x" }],
    ["envVars", { A: 1 }],
    ["timestamp", "yesterday"],
    ["defaultWorkdir", "relative"],
    ["hostname", "no_underscores"],
    ["entropy", "not base64!"],
  ];
  for (const [field, value] of wrong) {
    const reply = await envd.init({ accessToken: "set by a wrong body", [field]: value });
    assert.equal(reply.status, 400, field);
    assert.equal(((await reply.json()) as { field: string }).field, field);
  }
  assert.equal((await fetch(`${envd.url}/init`, { method: "POST", body: "{" })).status, 400);
  assert.equal((await fetch(`${envd.url}/init`, { method: "POST", body: "[]" })).status, 400);
  assert.equal(
    (await fetch(`${envd.url}/envs`, { headers: { "x-access-token": "set by a wrong body" } })).status,
    401,
  );
});

test("/init sets the token once; from then on everything needs it, /init too", async () => {
  const body = { accessToken: TOKEN, envVars: { GREETING: "hello" }, timestamp: new Date().toISOString() };
  assert.equal((await envd.init(body)).status, 200);
  assert.equal((await envd.init({ accessToken: "mine now" })).status, 401);
  assert.equal((await envd.init({ accessToken: "mine now" }, "guess")).status, 401);
  assert.equal((await envd.init({}, TOKEN)).status, 200);
  assert.deepEqual(await (await envd.fetch("/envs")).json(), { GREETING: "hello" });
  for (const token of ["", "x", `${TOKEN}0`, TOKEN.replace("0", "1")]) {
    assert.equal((await fetch(`${envd.url}/envs`, { headers: { "x-access-token": token } })).status, 401);
  }
  assert.equal((await fetch(`${envd.url}/health`)).status, 204);
  assert.equal((await envd.fetch("/nothing")).status, 404);
});

test("a child's environment is made from nothing: user, guest, request", async () => {
  const { stdout } = await run(envd.process, ["env"], { envs: { MORE: "1", GREETING: "hi" } });
  const names = Object.fromEntries(
    stdout
      .trim()
      .split("\n")
      .map((line) => line.split("=", 2) as [string, string]),
  );
  assert.deepEqual(names, {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/root",
    USER: "root",
    LOGNAME: "root",
    GREETING: "hi",
    MORE: "1",
  });
});

test("what a template gives its guests is there again after the agent's next start", async () => {
  const dir = mkdtempSync(join(tmpdir(), "wrenn-envd-"));
  const args = ["--defaults", join(dir, "defaults.json")];
  const envsOf = async (agent: RunningEnvd) => (await agent.fetch("/envs")).json();
  try {
    await using first = await RunningEnvd.start({ args, init: { envVars: { A: "1" } } });
    const defaults = { envVars: { B: "2" }, defaultUser: "root", defaultWorkdir: "/tmp", keepDefaults: true };
    assert.equal((await first.init(defaults, TOKEN)).status, 200);
    assert.deepEqual(await envsOf(first), { A: "1", B: "2" });
    await using second = await RunningEnvd.start({ args, init: { envVars: { B: "3" } } });
    assert.deepEqual(await envsOf(second), { A: "1", B: "3" });
    assert.equal((await run(second.process, ["pwd"])).stdout, "/tmp\n");
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("/metrics tells what the machine uses", async () => {
  const metrics = (await (await envd.fetch("/metrics")).json()) as Record<string, number>;
  assert.ok(Math.abs((metrics["ts"] as number) - Date.now() / 1000) < 5);
  for (const name of [
    "cpu_count",
    "mem_total",
    "mem_used",
    "mem_total_mib",
    "mem_used_mib",
    "disk_used",
    "disk_total",
  ]) {
    assert.ok((metrics[name] as number) > 0, name);
  }
  assert.ok((metrics["cpu_used_pct"] as number) >= 0 && (metrics["cpu_used_pct"] as number) <= 100);
});

test("log lines carry the request id, and no secret", async () => {
  await envd.fetch("/envs?secret=in-the-query", { headers: { "x-request-id": "req-42" } });
  await run(envd.process, ["sh", "-c", "echo secret-output"], { envs: { X: "secret-variable" } });
  await until("the lines are written", () => envd.log.some((line) => line.includes("req-42")));
  const entry = envd.log.map((line) => JSON.parse(line)).find((line) => line.request_id === "req-42");
  assert.deepEqual([entry.msg, entry.status, entry.level], ["envs", 200, "info"]);
  assert.doesNotMatch(envd.log.join("\n"), /secret|GREETING|hello/);
  assert.ok(!envd.log.join("\n").includes(TOKEN));
});

test("default user and working directory come from /init; groups from /etc/group", async () => {
  const dir = mkdtempSync(join(tmpdir(), "envd-"));
  try {
    writeFileSync(`${dir}/passwd`, "root:x:0:0::/root:/bin/sh\nuser:x:4242:4343::/home/none:/bin/sh\n");
    writeFileSync(`${dir}/group`, "root:x:0:\nuser:x:4343:\naudio:x:29:user\nvideo:x:44:other,user\n");
    const script = `mount --bind ${dir}/passwd /etc/passwd && mount --bind ${dir}/group /etc/group && exec "$@"`;
    await using other = await RunningEnvd.start({
      wrapper: ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"],
    });
    const nameless = other.processAs(undefined);
    assert.equal(
      (await run(nameless, ["id"])).stdout,
      "uid=4242(user) gid=4343(user) groups=4343(user),29(audio),44(video)\n",
    );
    assert.equal((await run(nameless, ["pwd"])).stdout, "/\n", "a home that does not exist");
    await other.init({ defaultUser: "root", defaultWorkdir: "/usr" }, TOKEN);
    assert.equal((await run(nameless, ["sh", "-c", "id -u; pwd"])).stdout, "0\n/usr\n");
    const status = (
      await run(other.processAs("user"), [
        "grep",
        "-E",
        "^(Uid|Gid|Cap(Prm|Eff|Inh|Amb))",
        "/proc/self/status",
      ])
    ).stdout;
    assert.deepEqual(status.match(/\w+/g)?.slice(0, 10), [
      "Uid",
      "4242",
      "4242",
      "4242",
      "4242",
      "Gid",
      "4343",
      "4343",
      "4343",
      "4343",
    ]);
    assert.deepEqual(
      [...status.matchAll(/Cap\w+:\s+(\w+)/g)].map((m) => Number.parseInt(m[1] as string, 16)),
      [0, 0, 0, 0],
    );
    const forbidden = run(other.processAs("user"), ["ls", "/root"]);
    assert.notEqual((await forbidden).end.exitCode, 0);
    await assert.rejects(
      run(other.processAs("nobody"), ["id"]),
      (e) => e instanceof ConnectError && e.code === Code.Unauthenticated,
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("entropy for the guest's kernel is taken before /init answers", async () => {
  await using guest = await RunningEnvd.start({ args: ["--machine", "guest"], init: null });
  const entropy = Buffer.alloc(32, 7).toString("base64");
  assert.equal((await guest.init({ accessToken: TOKEN, entropy })).status, 200);
});

test("--version prints the version", () => {
  const { stdout } = spawnSync(bunExecutable(), [join(import.meta.dirname, "main.ts"), "--version"], {
    encoding: "utf8",
  });
  assert.equal(stdout, `${ENVD_VERSION}\n`);
});
