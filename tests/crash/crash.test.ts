import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { claimBlock, processIdentity, releaseBlock, waitForExit } from "@wrenn/linux";
import { attach, type Platform, runWrenn, startPlatform, up } from "../e2e/platform.ts";
import { pidsOf } from "../e2e/processes.ts";
import { untilStatus } from "../e2e/until-status.ts";
import { type MachineState, machineState } from "./machine-state.ts";

/** All processes of an instance, its supervisor first, which would start the others again. */
function processesOf(platform: Platform): number[] {
  const own = [platform.dataDir, `/run/wrenn/${platform.block}/`];
  const named = (text: string) => own.some((part) => text.includes(part));
  const others = pidsOf((argv, environment) => argv.some(named) || environment.some(named));
  return [platform.pid, ...others.filter((pid) => pid !== platform.pid && pid !== process.pid)];
}

const hello = async ({ client }: Platform, id: string) =>
  (await client.sandboxes.exec(id, { cmd: "echo", args: ["hi"] })).stdout;

/** Until it is fulfilled, for a minute: who asks meets a process that is being started again. */
async function insist<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    try {
      return await ask();
    } catch (reason) {
      if (Date.now() > deadline) throw reason;
      await delay(20);
    }
  }
}

describe("two instances", () => {
  let untouched: MachineState;
  let one: Platform;
  let two: Platform;
  /** A sandbox of each. */
  let a: string;
  let b: string;
  before(async () => {
    untouched = machineState();
    [one, two] = await Promise.all([startPlatform(), startPlatform()]);
    [a, b] = (await Promise.all([one, two].map(async (each) => (await each.sandbox()).id))) as [
      string,
      string,
    ];
    assert.notDeepEqual(machineState(), untouched, "the picture of the machine shows a running platform");
  });
  after(async () => {
    await Promise.all([one?.stop(), two?.stop()]);
    assert.deepEqual(machineState(), untouched);
  });

  it("do not disturb each other, one data directory has one, and their secrets are root's", async () => {
    assert.notEqual(one.block, two.block);
    assert.equal((await two.call("GET", `/v1/sandboxes/${a}`)).status, 404);
    assert.equal((await two.call("GET", `/v1/sandboxes/${a}`, { key: one.key })).status, 401);
    const second = await runWrenn(["up", "--detach", "--data-dir", one.dataDir, "--listen", "127.0.0.1:0"]);
    assert.notEqual(second.status, 0);
    assert.match(second.stderr, /is running/);
    for (const each of [one, two]) await assertSecretsKept(each);
  });

  describe("of which one dies while the other is taken down", { concurrency: true }, () => {
    it("go on when a host agent is killed, and are brought up again by the next up: both times the machines are taken over", async () => {
      const [agent] = pidsOf((argv) => argv[0] === "wrenn-host-agent").filter((pid) =>
        processesOf(one).includes(pid),
      );
      assert.ok(agent);
      process.kill(agent, "SIGKILL");
      assert.equal(await insist(() => hello(one, a)), "hi\n");
      assert.equal((await one.client.sandboxes.get(a)).status, "running");
      const { id: another, status } = await insist(() => one.sandbox());
      assert.equal(status, "running");

      const victims = processesOf(one);
      assert.ok(victims.length >= 5, `found ${victims.length} processes`);
      for (const pid of victims) {
        try {
          process.kill(pid, "SIGKILL");
        } catch (reason) {
          assert.equal((reason as NodeJS.ErrnoException).code, "ESRCH");
        }
      }
      await assert.rejects(one.client.health());

      // One that cannot begin ends nothing: it has not looked at what is there.
      const other = createServer().listen(0, "127.0.0.1");
      await once(other, "listening");
      const taken = `127.0.0.1:${(other.address() as AddressInfo).port}`;
      const failed = await runWrenn(["up", "--detach", "--data-dir", one.dataDir, "--listen", taken]);
      other.close();
      assert.notEqual(failed.status, 0);
      assert.match(failed.stderr, /some sandboxes still run: `wrenn up` takes them over/);
      // Whoever has claimed a block sweeps it.
      const stranger = await mkdtemp(join(tmpdir(), "wrenn-e2e-"));
      const claim = await claimBlock({ dataDir: stranger });
      await releaseBlock(claim);
      await rm(stranger, { recursive: true });
      assert.notEqual(claim.block, one.block);

      await up(one.dataDir);
      one = await attach(one.dataDir);
      for (const id of [a, another]) {
        assert.equal((await one.client.sandboxes.get(id)).status, "running");
        assert.equal(await hello(one, id), "hi\n");
      }
      assert.equal(await hello(one, (await one.sandbox()).id), "hi\n");
      for await (const { id } of one.client.sandboxes.list()) await one.client.sandboxes.delete(id);
      assert.deepEqual(await readdir(join(one.dataDir, "sandboxes")), []);
    });

    it("pause what runs; the next up resumes it with its processes and files", async () => {
      const started = await two.client.sandboxes.exec(b, {
        cmd: "sh",
        args: ["-c", "echo kept > /home/user/file; setsid sleep 4321 >/dev/null 2>&1 & echo $!"],
      });
      assert.equal((await two.wrenn(["down", "--data-dir", two.dataDir])).status, 0);
      await up(two.dataDir);
      two = await attach(two.dataDir);
      // The control plane hears of it from the host agent, which has just started as well.
      await untilStatus(two.client, b, "paused");
      assert.equal((await two.client.sandboxes.resume(b)).status, "running");
      const args = ["-c", `cat /home/user/file; cat /proc/${started.stdout.trim()}/cmdline | tr '\\0' ' '`];
      assert.equal((await two.client.sandboxes.exec(b, { cmd: "sh", args })).stdout, "kept\nsleep 4321 ");
    });
  });

  it("pause what runs also when they are stopped while the host agent is being started again", async () => {
    const sh = async (script: string) =>
      (await two.client.sandboxes.exec(b, { cmd: "sh", args: ["-c", script] })).stdout.trim();
    const pid = await sh("setsid sleep 5432 >/dev/null 2>&1 & echo $!");
    const agentsOfTwo = () => {
      const all = processesOf(two);
      return pidsOf((argv) => argv[0] === "wrenn-host-agent").filter((each) => all.includes(each));
    };
    const [dying] = agentsOfTwo();
    assert.ok(dying);
    process.kill(dying, "SIGKILL");
    await insist(async () => assert.ok(agentsOfTwo().some((each) => each !== dying)));
    const supervisor = processIdentity(two.pid);
    assert.ok(supervisor);
    process.kill(two.pid, "SIGTERM");
    assert.ok(await waitForExit(supervisor, 120_000));
    await up(two.dataDir);
    two = await attach(two.dataDir);
    await untilStatus(two.client, b, "paused");
    assert.equal((await two.client.sandboxes.resume(b)).status, "running");
    assert.equal(await sh(`tr '\\0' ' ' < /proc/${pid}/cmdline`), "sleep 5432");
  });

  it("can be taken down when up was killed, and the other has its machine all the same", async () => {
    const { block } = one;
    process.kill(one.pid, "SIGKILL");
    await one.stop();
    const named = (text: string) => text.includes(`/run/wrenn/${block}/`);
    assert.deepEqual(
      pidsOf((argv, environment) => argv.some(named) || environment.some(named)),
      [],
    );
    assert.equal(await hello(two, b), "hi\n");
  });
});

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
