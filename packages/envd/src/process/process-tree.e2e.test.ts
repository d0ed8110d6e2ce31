// How processes and all that they started end, with control groups and without.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { Signal } from "@wrenn/rpc/envd";
import { run, until } from "../testing/run-command.ts";
import { RunningEnvd } from "../testing/running-envd.ts";
import { byPid } from "../testing/started.ts";

/** Where this machine has cgroup v2. */
function cgroup2Mount(): string {
  const line = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .find((mount) => mount.split(" ")[2] === "cgroup2");
  const path = line?.split(" ")[1];
  assert.ok(path, "these tests need a cgroup2 mount");
  return path;
}

function alive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false; // ENOENT, or ESRCH when it ends while being read
  }
}

/** A shell that starts a child, a grandchild in its own session, and one that ignores SIGTERM; prints their pids. */
const FAMILY =
  "sleep 1000 & echo $!; setsid sh -c 'echo $$; sleep 1001 & echo $!; wait' & sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & wait";
/** Also one whose parent is gone, so that nothing in /proc leads to it. */
const ORPHANS = `(setsid sh -c 'echo $$; sleep 1002' &); ${FAMILY}`;

for (const [name, args, script, size] of [
  ["with control groups", ["--cgroup-root", cgroup2Mount()], ORPHANS, 5],
  ["without control groups", ["--cgroup-root", "/nonexistent"], FAMILY, 4],
] as const) {
  describe(name, () => {
    const start = () => RunningEnvd.start({ args: [...args] });

    /** Starts the family and waits for all of its pids. */
    async function family(envd: RunningEnvd, request = {}, options = {}) {
      const events = envd.process
        .start({ process: { cmd: "sh", args: ["-c", script] }, ...request }, options)
        [Symbol.asyncIterator]();
      const first = (await events.next()).value?.event?.event;
      assert.ok(first?.case === "start");
      let text = "";
      while (text.trim().split("\n").length < size) {
        const event = (await events.next()).value?.event?.event;
        if (event?.case === "data") text += Buffer.from(event.value.output.value ?? "").toString();
      }
      const pids = [first.value.pid, ...text.trim().split("\n").map(Number)];
      assert.ok(pids.every(alive));
      return { pid: first.value.pid, pids, events };
    }
    const allGone = (pids: number[]) => until(`${pids} are gone`, () => !pids.some(alive));

    test("a time-out kills all of it and says so", async () => {
      await using envd = await start();
      const { pids, events } = await family(envd, { timeoutMs: 700 });
      const end = (await events.next()).value?.event?.event;
      assert.ok(end?.case === "end");
      assert.deepEqual([end.value.timedOut, end.value.signal, end.value.exitCode], [true, "SIGKILL", -1]);
      await allGone(pids);
    });

    test("SIGKILL with `tree` kills all of it, without only the process", async () => {
      await using envd = await start();
      const one = await family(envd);
      await envd.process.sendSignal({ process: byPid(one.pid), signal: Signal.SIGKILL, tree: true });
      await allGone(one.pids);
      const other = await family(envd);
      await envd.process.sendSignal({ process: byPid(other.pid), signal: Signal.SIGKILL });
      await until("it is gone", () => !alive(other.pid));
      assert.ok(other.pids.slice(1).every(alive));
      for (const pid of other.pids.slice(1)) process.kill(pid, "SIGKILL");
    });

    test("a call's own deadline kills all of it and fails the call", async () => {
      await using envd = await start();
      const { pids, events } = await family(envd, {}, { timeoutMs: 1000 });
      await assert.rejects(
        events.next(),
        (e) => e instanceof ConnectError && e.code === Code.DeadlineExceeded,
      );
      await allGone(pids);
    });

    test("a lost caller ends it only with kill_on_disconnect", async () => {
      await using envd = await start();
      const leaving = new AbortController();
      const doomed = await family(envd, { killOnDisconnect: true }, { signal: leaving.signal });
      const survivor = await family(envd, {}, { signal: leaving.signal });
      leaving.abort();
      await allGone(doomed.pids);
      assert.ok(survivor.pids.every(alive));
      assert.deepEqual(
        (await envd.process.list({})).processes.map((p) => p.pid),
        [survivor.pid],
      );
      await envd.process.sendSignal({ process: byPid(survivor.pid), signal: Signal.SIGKILL, tree: true });
      await allGone(survivor.pids);
    });

    test("the agent's end is the end of all that it started", async () => {
      const envd = await start();
      const { pids } = await family(envd);
      await envd[Symbol.asyncDispose]();
      await allGone(pids);
    });

    test("a background child that holds stdout open does not hold the stream, and lives on", async () => {
      await using envd = await start();
      const dir = mkdtempSync(join(tmpdir(), "envd-"));
      try {
        // After the end of its stream it prints more than a pipe holds: it must not be stopped or killed by that.
        const background = `(while [ ! -e ${dir}/go ]; do sleep 0.01; done; head -c 300000 /dev/zero; echo survived > ${dir}/done) &`;
        const began = performance.now();
        const { stdout, end } = await run(envd.process, ["sh", "-c", `${background} echo hi`]);
        assert.deepEqual([stdout, end.exitCode], ["hi\n", 0]);
        assert.ok(performance.now() - began < 3000);
        await run(envd.process, ["touch", `${dir}/go`]);
        await until("the background child has finished", () => existsSync(`${dir}/done`));
      } finally {
        rmSync(dir, { recursive: true });
      }
    });

    test("a background child that never stops printing does not hold the stream either", async () => {
      await using envd = await start();
      const { end, pid } = await run(envd.process, ["sh", "-c", "yes & echo $! >&2; exit 7"]);
      assert.equal(end.exitCode, 7);
      assert.ok(!alive(pid));
    });

    test("what a helper prints right after the end still arrives", async () => {
      await using envd = await start();
      const { stdout } = await run(envd.process, ["bash", "-c", "echo one > >(cat; echo two); exit 0"]);
      assert.equal(stdout, "one\ntwo\n");
    });
  });
}

test("nothing is left of the control groups", async () => {
  const root = cgroup2Mount();
  const envd = await RunningEnvd.start({ args: ["--cgroup-root", root] });
  const own = join(root, `envd-${envd.pid}`);
  for (let i = 0; i < 5; i++) await run(envd.process, ["true"]);
  assert.match(
    (await run(envd.process, ["cat", "/proc/self/cgroup"])).stdout,
    new RegExp(`0::.*/envd-${envd.pid}/\\d+\n`),
  );
  await until(
    "ended groups are removed",
    () => readdirSync(own, { withFileTypes: true }).filter((e) => e.isDirectory()).length <= 2,
  );
  await envd[Symbol.asyncDispose]();
  assert.ok(!existsSync(own));
});
