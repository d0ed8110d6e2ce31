import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { detectCgroups } from "../cgroup/detect.ts";
import { isAlive } from "../process/identity.ts";
import { kill } from "../process/signal.ts";
import { run } from "../run/run.ts";
import { SYSTEM_BINDS } from "./confine.ts";
import { confinedFd } from "./spawn.ts";
import { TRIAL_UID, Trials } from "./trial.ts";

const trials = new Trials();
after(() => trials[Symbol.dispose]());
const { dir } = trials;
const start = trials.start.bind(trials);
const inside = trials.inside.bind(trials);

function field(status: string, name: string): string | undefined {
  return new RegExp(`^${name}:[ \\t]*(.*?) *$`, "m").exec(status)?.[1];
}

describe("a confined program", () => {
  it("has its own uid and gid, no groups, and no capability in any set", async () => {
    const { text } = await inside(["cat", "/proc/self/status"]);
    assert.equal(field(text, "Uid"), Array(4).fill(TRIAL_UID).join("\t"));
    assert.equal(
      field(text, "Gid"),
      Array(4)
        .fill(TRIAL_UID + 1)
        .join("\t"),
    );
    assert.equal(field(text, "Groups"), "");
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
      assert.equal(field(text, set), "0000000000000000", set);
    }
    assert.equal(field(text, "NoNewPrivs"), "1");
  });

  it("is process 1, and sees no other", async () => {
    assert.equal((await inside(["readlink", "/proc/self"])).text, "1\n");
    const { text } = await inside(["ls", "/proc"]);
    assert.deepEqual(
      text.split("\n").filter((name) => /^\d+$/.test(name)),
      ["1"],
    );
  });

  it("sees nothing but what was bound, and can write nowhere", async () => {
    const { text } = await inside(["ls", "-A", "/"]);
    assert.deepEqual(text.trim().split("\n"), ["bin", "dev", "etc", "lib", "lib64", "proc", "sbin", "usr"]);
    const places = ["/x", "/etc/x", "/usr/x", "/dev/x", "/dev/shm/x", "/proc/x"];
    const writes = await inside(["touch", ...places]);
    assert.equal(writes.status, 1);
    assert.equal(writes.text.trim().split("\n").length, places.length, writes.text);
  });

  it("gains nothing from a setuid program", async () => {
    const { text, status } = await inside(["findmnt", "--noheadings", "--output=OPTIONS", "/usr"]);
    assert.equal(status, 0, text);
    assert.match(text, /\bnosuid\b/);
  });

  it("has namespaces of its own", async () => {
    const { text } = await inside(["ls", "-l", "/proc/self/ns"]);
    for (const name of ["mnt", "pid", "ipc", "uts", "cgroup"]) {
      const theirs = new RegExp(`${name} -> (\\S+)`).exec(text)?.[1];
      assert.ok(theirs, name);
      assert.notEqual(theirs, readlinkSync(`/proc/self/ns/${name}`), name);
    }
    assert.ok(text.includes(readlinkSync("/proc/self/ns/net")), "the network is shared unless asked for");
    assert.equal((await inside(["hostname"], { hostname: "somebody" })).text, "somebody\n");
  });

  it("joins a network namespace", async () => {
    const netns = `wrenn-test-${randomBytes(3).toString("hex")}`;
    await run(["ip", "netns", "add", netns], { timeoutMs: 5000 });
    try {
      const { text } = await inside(["cat", "/proc/self/net/dev"], { netns: `/run/netns/${netns}` });
      assert.deepEqual(
        text.split("\n").flatMap((line) => /^\s*(\S+):/.exec(line)?.[1] ?? []),
        ["lo"],
      );
    } finally {
      await run(["ip", "netns", "del", netns], { timeoutMs: 5000 });
    }
  });

  it("has the environment it was given, and nothing of it on a command line", async () => {
    const program = await start(["sleep", "60"]);
    try {
      const { pid } = program.identity;
      const parent = /^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
      assert.equal(readFileSync(`/proc/${parent}/cmdline`, "utf8").includes("inside"), false);
    } finally {
      kill(program.identity, "SIGKILL");
      await program.exited;
    }
    const { text } = await inside(["env"]);
    assert.deepEqual(
      text
        .trim()
        .split("\n")
        .filter((line) => !line.startsWith("PWD="))
        .toSorted(),
      ["LC_ALL=C", "MARK=inside", "PATH=/usr/bin"],
    );
  });

  it("is bound by its limits", async () => {
    const tmpfs = [{ path: "/tmp", bytes: 1024 * 1024 }];
    const limits = { nofile: 33, fsizeBytes: 65536, nproc: 44, memlockBytes: 8192 };
    const { text } = await inside(["cat", "/proc/self/limits"], { limits });
    const limit = (name: string) => new RegExp(`^${name} +(\\S+) +(\\S+)`, "m").exec(text)?.slice(1);
    assert.deepEqual(limit("Max open files"), ["33", "33"]);
    assert.deepEqual(limit("Max file size"), ["65536", "65536"]);
    assert.deepEqual(limit("Max processes"), ["44", "44"]);
    assert.deepEqual(limit("Max locked memory"), ["8192", "8192"]);
    assert.deepEqual(limit("Max core file size"), ["0", "0"]);
    const big = await inside(["truncate", "-s", "65537", "/tmp/x"], { tmpfs, limits });
    assert.equal(big.status, 1);
    assert.match(big.text, /File too large/);
    const full = await inside(["dd", "if=/dev/zero", "of=/tmp/x", "bs=1M", "count=2"], { tmpfs });
    assert.match(full.text, /No space left on device/);
  });

  it("writes where it may, also below a directory that only root can enter", async () => {
    const closed = join(dir, "closed");
    const data = join(closed, "data");
    mkdirSync(data, { recursive: true });
    chmodSync(closed, 0o700);
    chownSync(data, TRIAL_UID, TRIAL_UID + 1);
    const { status, text } = await inside(["touch", join(data, "made")], {
      binds: { ro: SYSTEM_BINDS, rw: [data] },
      chdir: data,
    });
    assert.equal(status, 0, text);
    readFileSync(join(data, "made"));
  });

  it("inherits the descriptors it was given", async () => {
    const file = join(dir, "data");
    writeFileSync(file, "through a descriptor", { mode: 0o444 });
    const fd = openSync(file, "r");
    try {
      const path = `/proc/self/fd/${confinedFd(0)}`;
      assert.equal((await inside(["cat", file])).status, 1, "not by its name");
      const reopened = await inside(["cat", path], {}, { fds: [fd] });
      assert.deepEqual(reopened, { status: 0, text: "through a descriptor" });
      chmodSync(file, 0o400);
      assert.equal((await inside(["cat", path], {}, { fds: [fd] })).status, 1, "reopening needs permission");
      const read = await inside(["bash", "-c", `cat <&${confinedFd(0)}`], {}, { fds: [fd] });
      assert.deepEqual(read, { status: 0, text: "through a descriptor" });
    } finally {
      closeSync(fd);
    }
  });

  it("is in its control group from the start", async () => {
    const cgroups = detectCgroups();
    const group = cgroups.create(`wrenn-test-${randomBytes(4).toString("hex")}`, { pids: 20 });
    try {
      const { text } = await inside(["cat", "/proc/self/cgroup"], {}, { cgroup: group });
      assert.match(text, new RegExp(group.path));
      const sleeper = await start(["timeout", "60", "sleep", "60"], {}, { cgroup: group });
      assert.ok(group.members().includes(sleeper.identity.pid));
      await group.kill();
      assert.deepEqual(await sleeper.exited, { status: 128 + 9 });
      assert.equal(isAlive(sleeper.identity), false);
    } finally {
      await group.kill();
      await group.remove();
    }
  });
});
