import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, it } from "node:test";
import { processesOfUids } from "./enumerate.ts";
import { isAlive, parseStat, processIdentity } from "./identity.ts";
import { kill, killAll, waitForExit } from "./signal.ts";

function sleeper(uid?: number) {
  const child = spawn("sleep", ["60"], { stdio: "ignore", ...(uid !== undefined && { uid, gid: uid }) });
  const identity = processIdentity(child.pid ?? 0);
  assert.ok(identity);
  return { child, identity };
}

describe("parseStat()", () => {
  it("is not misled by a program's name", () => {
    const name = "a) S 1 (b";
    const rest = ["R", ...Array.from({ length: 18 }, () => "7"), "4242", "9"].join(" ");
    const stat = parseStat(`31 (${name}) ${rest}\n`);
    assert.deepEqual(stat, { pid: 31, state: "R", startTime: 4242, cpuMs: 140 });
  });
});

describe("process identity", () => {
  it("tells a process from a later one with the same id", () => {
    const self = processIdentity(process.pid);
    assert.ok(self && isAlive(self));
    assert.equal(isAlive({ ...self, startTime: self.startTime - 1 }), false);
  });

  it("does not signal a process with another start time", async () => {
    const { child, identity } = sleeper();
    assert.equal(kill({ ...identity, startTime: identity.startTime + 1 }, "SIGKILL"), false);
    assert.equal(isAlive(identity), true);
    assert.equal(kill(identity, "SIGKILL"), true);
    await once(child, "exit");
    assert.equal(kill(identity, "SIGKILL"), false);
    assert.equal(processIdentity(identity.pid), undefined);
  });

  it("waits for an exit, or until the time is up", async () => {
    const { identity } = sleeper();
    assert.equal(await waitForExit(identity, 20), false);
    const waiting = waitForExit(identity, 5000);
    kill(identity, "SIGTERM");
    assert.equal(await waiting, true);
  });

  it("finds the processes of a range of uids and kills them", async () => {
    const first = 1_999_999_000;
    const inside = [sleeper(first).identity, sleeper(first + 3).identity];
    const outside = sleeper(first + 4);
    const found = processesOfUids({ first, last: first + 3 });
    assert.deepEqual(
      found.toSorted((a, b) => a.pid - b.pid),
      inside.toSorted((a, b) => a.pid - b.pid),
    );
    assert.equal((await killAll(found)).length, 2);
    assert.deepEqual(processesOfUids({ first, last: first + 3 }), []);
    assert.equal(isAlive(outside.identity), true);
    outside.child.kill("SIGKILL");
  });
});
