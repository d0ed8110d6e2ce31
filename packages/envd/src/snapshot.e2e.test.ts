// What the agent does for snapshots: before the guest is frozen, and when a copy of it begins.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { Signal } from "@wrenn/rpc/envd";
import { run, until } from "./testing/run-command.ts";
import { RunningEnvd, TOKEN } from "./testing/running-envd.ts";
import { begin, byPid, failsWith } from "./testing/started.ts";

const SLEEP = { process: { cmd: "sleep", args: ["1000"] }, killOnDisconnect: true };
const NEXT_TOKEN = "1".repeat(64);

/** Without waiting for the disks of the machine that runs the tests. */
const quiesce = (envd: RunningEnvd, body: object = { syncMs: 0 }) =>
  envd.fetch("/quiesce", { method: "POST", body: JSON.stringify(body) });
const running = async (envd: RunningEnvd) => (await envd.process.list({})).processes.map(({ pid }) => pid);
const killed = async (envd: RunningEnvd, pid: number) => {
  await envd.process.sendSignal({ process: byPid(pid), signal: Signal.SIGKILL });
  await until("it has ended", async () => !(await running(envd)).includes(pid));
};

/** An open connection that has made a request already. */
async function idleConnection(envd: RunningEnvd): Promise<{ socket: Socket; ended: Promise<string> }> {
  const socket = connect(Number(new URL(envd.url).port), "127.0.0.1");
  const ended = new Promise<string>((resolve) => {
    socket.once("end", () => resolve("end"));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(String(error.code)));
  });
  socket.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  await new Promise((resolve) => socket.once("data", resolve));
  socket.resume();
  return { socket, ended };
}

test("/quiesce ends streams with an error that says so; their processes go on", async () => {
  await using envd = await RunningEnvd.start();
  const doomed = await begin(envd.process, SLEEP);
  const plain = await begin(envd.process, { process: SLEEP.process });
  const second = envd.process.connect({ process: byPid(doomed.pid) })[Symbol.asyncIterator]();
  await second.next();
  const idle = await idleConnection(envd);
  const reply = await quiesce(envd, { syncMs: 30_000 });
  assert.deepEqual([reply.status, reply.headers.get("wrenn-synced")], [204, "true"]);
  for (const events of [doomed.events, plain.events, second]) {
    await assert.rejects(events.next(), failsWith(Code.Unavailable, "unavailable"));
  }
  assert.equal(await idle.ended, "end");
  assert.deepEqual((await running(envd)).sort(), [doomed.pid, plain.pid].sort());
  const again = envd.process.connect({ process: byPid(doomed.pid) })[Symbol.asyncIterator]();
  assert.equal((await again.next()).value?.event?.event.case, "start");
  await killed(envd, doomed.pid);
  assert.equal((await again.next()).value?.event?.event.case, "end");
  await killed(envd, plain.pid);
});

test("the last word arrives however often it is said", async () => {
  await using envd = await RunningEnvd.start();
  for (let round = 0; round < 30; round++) {
    const { pid, events } = await begin(envd.process, SLEEP);
    assert.equal((await quiesce(envd)).status, 204);
    await assert.rejects(events.next(), failsWith(Code.Unavailable, "unavailable"));
    await killed(envd, pid);
  }
});

test("a reader that does not read does not keep the guest from being frozen", async () => {
  await using envd = await RunningEnvd.start();
  const socket = connect(Number(new URL(envd.url).port), "127.0.0.1");
  const body = JSON.stringify({ process: { cmd: "yes" }, killOnDisconnect: true });
  const length = Buffer.alloc(5);
  length.writeUInt32BE(body.length, 1);
  socket.write(
    `POST /process.Process/Start HTTP/1.1\r\nHost: x\r\nX-Access-Token: ${TOKEN}\r\n` +
      `Content-Type: application/connect+json\r\nContent-Length: ${body.length + 5}\r\n\r\n`,
  );
  socket.write(Buffer.concat([length, Buffer.from(body)]));
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("data", resolve));
  socket.pause();
  const [pid] = (await running(envd)) as [number];
  const written = () => Number(/^wchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
  let last = -1;
  await until("it is held up", async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const before = last;
    last = written();
    return before === last;
  });
  const began = performance.now();
  assert.equal((await quiesce(envd)).status, 204);
  assert.ok(performance.now() - began < 3000);
  await until("it goes on, read by nobody", () => written() > last);
  await killed(envd, pid);
  socket.destroy();
});

test("with `keep` streams go on, and losing them has no consequence before /unquiesce", async () => {
  await using envd = await RunningEnvd.start();
  const leaving = new AbortController();
  const lost = await begin(envd.process, SLEEP, { signal: leaving.signal });
  const kept = await begin(envd.process, { ...SLEEP, process: { cmd: "cat" } });
  assert.equal((await quiesce(envd, { streams: "keep", syncMs: 0 })).status, 204);
  leaving.abort();
  await assert.rejects(lost.events.next());
  const value = Buffer.from("x");
  await envd.process.sendInput({ process: byPid(kept.pid), input: { input: { case: "stdin", value } } });
  assert.equal((await kept.events.next()).value?.event?.event.case, "data");
  assert.deepEqual((await running(envd)).sort(), [lost.pid, kept.pid].sort());
  assert.equal((await envd.fetch("/unquiesce", { method: "POST" })).status, 204);
  await until("the lost one has ended", async () => (await running(envd)).length === 1);
  assert.deepEqual(await running(envd), [kept.pid]);
  await killed(envd, kept.pid);
});

test("/init with dropConnections closes all connections but its own, and no process ends by it", async () => {
  await using envd = await RunningEnvd.start();
  const before = envd.openFiles;
  const attached = await begin(envd.process, SLEEP);
  const lostBefore = new AbortController();
  const lost = await begin(envd.process, SLEEP, { signal: lostBefore.signal });
  assert.equal((await quiesce(envd, { streams: "keep", syncMs: 0 })).status, 204);
  lostBefore.abort();
  await assert.rejects(lost.events.next());
  const idle = await idleConnection(envd);
  assert.equal((await envd.init({ dropConnections: true, accessToken: NEXT_TOKEN }, TOKEN)).status, 200);
  await assert.rejects(attached.events.next());
  assert.match(await idle.ended, /^end$|^ECONNRESET$/);
  assert.equal((await envd.fetch("/envs")).status, 401);
  assert.equal((await envd.init({ accessToken: TOKEN }, NEXT_TOKEN)).status, 200);
  assert.deepEqual((await running(envd)).sort(), [attached.pid, lost.pid].sort());
  // A stream of the new time has its usual meaning.
  const leaving = new AbortController();
  const fresh = await begin(envd.process, SLEEP, { signal: leaving.signal });
  leaving.abort();
  await until("it has ended", async () => !(await running(envd)).includes(fresh.pid));
  for (const { pid } of [attached, lost]) await killed(envd, pid);
  await until("no descriptor is left", () => envd.openFiles <= before + 4);
});

test("/quiesce needs the token, and checks what it is told", async () => {
  await using envd = await RunningEnvd.start();
  assert.equal((await fetch(`${envd.url}/quiesce`, { method: "POST" })).status, 401);
  assert.equal((await fetch(`${envd.url}/unquiesce`, { method: "POST" })).status, 401);
  for (const body of [{ streams: "drop" }, { syncMs: -1 }, { syncMs: 1e9 }, { syncMs: "1" }]) {
    const reply = await quiesce(envd, body);
    assert.equal(reply.status, 400);
    assert.equal(((await reply.json()) as { field: string }).field, Object.keys(body)[0]);
  }
});

/** A machine of its own as far as names and /etc go: a copy of some of /etc, and a UTS namespace. */
const OWN_ETC =
  "mount -t tmpfs none /mnt && cp /etc/passwd /etc/group /etc/hosts /mnt && " +
  'echo fedcba9876543210fedcba9876543210 > /mnt/machine-id && mount --bind /mnt /etc && exec "$@"';
const apart = (inner: string[] = [], script = OWN_ETC) => [
  ...["unshare", "--mount", "--uts", "--propagation", "private", "sh", "-c", script, "sh"],
  ...inner,
];

test("/init confirms what the machine has become", async () => {
  await using guest = await RunningEnvd.start({ args: ["--machine", "guest"], init: null, wrapper: apart() });
  const machineId = "0123456789abcdef0123456789abcdef";
  const began = Date.now();
  const reply = await guest.init({
    accessToken: TOKEN,
    hostname: "sb-new",
    machineId,
    timestamp: new Date().toISOString(),
    entropy: Buffer.alloc(32, 7).toString("base64"),
  });
  assert.equal(reply.status, 200);
  const { timeMs, ...rest } = (await reply.json()) as { timeMs: number };
  assert.deepEqual(rest, { hostname: "sb-new", machineId, reseeded: true });
  assert.ok(timeMs >= began - 100 && timeMs <= Date.now() + 100);
  const { stdout } = await run(guest.process, ["cat", "/etc/machine-id", "/etc/hostname", "/etc/hosts"]);
  assert.ok(stdout.startsWith(`${machineId}\nsb-new\n`));
  assert.match(stdout, /^127\.0\.1\.1\tsb-new/m);
  assert.equal((await run(guest.process, ["uname", "-n"])).stdout, "sb-new\n");
  // Asked for nothing, it tells the same and reseeds nothing.
  const again = (await (await guest.init({}, TOKEN)).json()) as object;
  assert.deepEqual({ ...again, timeMs: 0 }, { hostname: "sb-new", machineId, reseeded: false, timeMs: 0 });
});

test("a machine id that could not be written is not confirmed", async () => {
  const script = OWN_ETC.replace("exec", "mount -o remount,bind,ro /etc && exec");
  await using guest = await RunningEnvd.start({
    args: ["--machine", "guest"],
    wrapper: apart([], script),
  });
  const reply = await guest.init({ machineId: "0".repeat(31).concat("1"), hostname: "sb-ro" }, TOKEN);
  assert.equal(reply.status, 200);
  const { machineId, hostname } = (await reply.json()) as Record<string, string>;
  assert.deepEqual([machineId, hostname], ["fedcba9876543210fedcba9876543210", "sb-ro"]);
});

for (const [field, value, capability] of [
  ["entropy", Buffer.alloc(32, 7).toString("base64"), "sys_admin"],
  ["timestamp", "2001-01-01T00:00:00Z", "sys_time"],
] as const) {
  test(`without success with ${field}, /init fails and the old token stays`, async () => {
    await using guest = await RunningEnvd.start({
      args: ["--machine", "guest"],
      wrapper: apart(["setpriv", `--bounding-set=-${capability}`, `--inh-caps=-${capability}`]),
    });
    const reply = await guest.init({ accessToken: NEXT_TOKEN, [field]: value }, TOKEN);
    assert.equal(reply.status, 500);
    const { error_code, field: named } = (await reply.json()) as Record<string, string>;
    assert.deepEqual([error_code, named], ["internal", field]);
    assert.equal((await guest.fetch("/envs")).status, 200);
  });
}
