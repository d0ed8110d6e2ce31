import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { attach, type Platform, runWrenn, startPlatform, up } from "../e2e/platform.ts";
import { pidsOf } from "../e2e/processes.ts";
import { machineState } from "./machine-state.ts";

/** All processes of an instance, its supervisor first, which would start the others again. */
function processesOf(platform: Platform): number[] {
  const own = [platform.dataDir, `/run/wrenn/${platform.block}/`];
  const named = (text: string) => own.some((part) => text.includes(part));
  const others = pidsOf((argv, environment) => argv.some(named) || environment.some(named));
  return [platform.pid, ...others.filter((pid) => pid !== platform.pid && pid !== process.pid)];
}

describe("an instance that dies", () => {
  it("is brought up again by the next up, which takes its machines over; nothing is left after down", async () => {
    const before = machineState();
    const platform = await startPlatform();
    const { client, dataDir } = platform;
    const made = await Promise.all([platform.sandbox(), platform.sandbox()]);
    assert.notDeepEqual(machineState(), before, "the picture of the machine shows a running platform");

    const victims = processesOf(platform);
    assert.ok(victims.length >= 5, `found ${victims.length} processes`);
    for (const pid of victims) {
      try {
        process.kill(pid, "SIGKILL");
      } catch (reason) {
        assert.equal((reason as NodeJS.ErrnoException).code, "ESRCH");
      }
    }
    await assert.rejects(client.health());

    await up(dataDir);
    const again = await attach(dataDir);
    for (const { id } of made) {
      assert.equal((await again.client.sandboxes.get(id)).status, "running");
      assert.equal((await again.client.sandboxes.exec(id, { cmd: "echo", args: ["hi"] })).stdout, "hi\n");
    }
    const fresh = await again.sandbox();
    assert.equal((await again.client.sandboxes.exec(fresh.id, { cmd: "echo", args: ["hi"] })).stdout, "hi\n");
    for await (const { id } of again.client.sandboxes.list()) await again.client.sandboxes.delete(id);
    assert.deepEqual(await readdir(join(dataDir, "sandboxes")), []);
    await again.stop();
    assert.deepEqual(machineState(), before);
  });

  it("goes on when its host agent is killed: the next one has the machines; and can be taken down when up was killed", async () => {
    const before = machineState();
    const platform = await startPlatform();
    try {
      const { id } = await platform.sandbox();
      const [agent] = pidsOf((argv) => argv[0] === "wrenn-host-agent").filter((pid) =>
        processesOf(platform).includes(pid),
      );
      assert.ok(agent);
      process.kill(agent, "SIGKILL");
      const deadline = Date.now() + 60_000;
      const hello = () => platform.client.sandboxes.exec(id, { cmd: "echo", args: ["hi"] });
      let answer = await hello().catch(() => undefined);
      while (!answer && Date.now() < deadline) answer = await hello().catch(() => undefined);
      assert.equal(answer?.stdout, "hi\n");
      assert.equal((await platform.client.sandboxes.get(id)).status, "running");
      let made = await platform.sandbox().catch(() => undefined);
      while (!made && Date.now() < deadline) made = await platform.sandbox().catch(() => undefined);
      assert.equal(made?.status, "running");
      process.kill(platform.pid, "SIGKILL");
    } finally {
      await platform.stop();
    }
    assert.deepEqual(machineState(), before);
  });
});

describe("down", () => {
  it("pauses what runs; the next up resumes it with its processes and files", async () => {
    const platform = await startPlatform();
    const { client, dataDir } = platform;
    const { id } = await platform.sandbox();
    const started = await client.sandboxes.exec(id, {
      cmd: "sh",
      args: ["-c", "echo kept > /home/user/file; setsid sleep 4321 >/dev/null 2>&1 & echo $!"],
    });
    assert.equal((await platform.wrenn(["down", "--data-dir", dataDir])).status, 0);
    await up(dataDir);
    const again = await attach(dataDir);
    try {
      // The control plane hears of it from the host agent, which has just started as well.
      const deadline = Date.now() + 45_000;
      let status = "";
      while (status !== "paused") {
        ({ status } = await again.client.sandboxes.get(id));
        assert.ok(Date.now() < deadline, `still ${status}`);
        await delay(50);
      }
      assert.equal((await again.client.sandboxes.resume(id)).status, "running");
      const args = ["-c", `cat /home/user/file; cat /proc/${started.stdout.trim()}/cmdline | tr '\\0' ' '`];
      assert.equal((await again.client.sandboxes.exec(id, { cmd: "sh", args })).stdout, "kept\nsleep 4321 ");
    } finally {
      await again.stop();
    }
  });
});

describe("several instances", () => {
  it("do not disturb each other, one data directory has one, and their secrets are root's", async () => {
    const before = machineState();
    const [one, two] = await Promise.all([startPlatform(), startPlatform()]);
    assert.notEqual(one.block, two.block);
    const [a, b] = await Promise.all([one.sandbox(), two.sandbox()]);
    assert.equal((await two.call("GET", `/v1/sandboxes/${a.id}`)).status, 404);
    assert.equal((await two.call("GET", `/v1/sandboxes/${a.id}`, { key: one.key })).status, 401);
    const second = await runWrenn(["up", "--detach", "--data-dir", one.dataDir, "--listen", "127.0.0.1:0"]);
    assert.notEqual(second.status, 0);
    assert.match(second.stderr, /is running/);
    for (const each of [one, two]) await assertSecretsKept(each);
    await one.stop();
    assert.equal((await two.client.sandboxes.exec(b.id, { cmd: "echo", args: ["hi"] })).stdout, "hi\n");
    await two.stop();
    assert.deepEqual(machineState(), before);
  });
});

async function assertSecretsKept({ dataDir, key }: Platform): Promise<void> {
  const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
  assert.equal(await mode(join(dataDir, "api-key")), "600");
  assert.equal(await mode(dataDir), "700");
  const secret = key.replace(/^wrn_/, "");
  const leaks = pidsOf((argv) => argv.some((arg) => arg.includes(secret)));
  assert.deepEqual(leaks, [], "the key is on a command line");
  for (const name of await readdir(join(dataDir, "log"))) {
    assert.ok(!(await readFile(join(dataDir, "log", name), "utf8")).includes(secret), name);
  }
}

describe("up", () => {
  it("says what is wrong with a listen address and starts nothing", async () => {
    const before = machineState();
    const dataDir = await mkdtemp(join(tmpdir(), "wrenn-e2e-"));
    for (const listen of ["nonsense", "127.0.0.1:99999", "127.0.0.1:-1"]) {
      const result = await runWrenn(["up", "--detach", "--data-dir", dataDir, "--listen", listen]);
      assert.notEqual(result.status, 0, listen);
      assert.match(result.stderr, /listen/i, listen);
    }
    assert.deepEqual(machineState(), before);
    await rm(dataDir, { recursive: true });
  });
});
