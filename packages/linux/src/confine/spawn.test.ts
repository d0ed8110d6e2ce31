import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { after, before, describe, it } from "node:test";
import { detectCgroups } from "../cgroup/detect.ts";
import { isAlive, type ProcessIdentity, processIdentity } from "../process/identity.ts";
import { kill, waitForExit } from "../process/signal.ts";
import { CommandError } from "../run/command-error.ts";
import type { Argv } from "../run/host-side.ts";
import { run } from "../run/run.ts";
import { type Confinement, MERGED_USR, SYSTEM_BINDS } from "./confine.ts";
import { confinedFd, type SpawnConfinedOptions, spawnConfined } from "./spawn.ts";

const UID = 1_999_998_000;
const env = { PATH: "/usr/bin", LC_ALL: "C", MARK: "inside" };

let dir: string;
let output: string;
before(() => {
  dir = mkdtempSync(join(tmpdir(), "wrenn-confine-"));
  output = join(dir, "output");
});
after(() => rmSync(dir, { recursive: true }));

const base: Confinement = {
  uid: UID,
  gid: UID + 1,
  binds: { ro: SYSTEM_BINDS },
  symlinks: MERGED_USR,
  limits: { nofile: 64 },
};

/** Starts a program with its output in the file. */
async function start(
  argv: Argv,
  confinement: Partial<Confinement> = {},
  options: Partial<SpawnConfinedOptions> = {},
) {
  const fd = openSync(output, "w");
  try {
    return await spawnConfined({ ...base, ...confinement }, argv, {
      stdout: fd,
      stderr: fd,
      env,
      ...options,
    });
  } finally {
    closeSync(fd);
  }
}

/** Runs a program to its end; what it printed, and its status. */
async function inside(...args: Parameters<typeof start>) {
  const { status } = await (await start(...args)).exited;
  return { status, text: readFileSync(output, "utf8") };
}

function field(status: string, name: string): string | undefined {
  return new RegExp(`^${name}:[ \\t]*(.*?) *$`, "m").exec(status)?.[1];
}

describe("a confined program", () => {
  it("has its own uid and gid, no groups, and no capability in any set", async () => {
    const { text } = await inside(["cat", "/proc/self/status"]);
    assert.equal(field(text, "Uid"), Array(4).fill(UID).join("\t"));
    assert.equal(
      field(text, "Gid"),
      Array(4)
        .fill(UID + 1)
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
    chownSync(data, UID, UID + 1);
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

describe("spawnConfined()", () => {
  it("reports the exit status", async () => {
    assert.equal((await inside(["false"])).status, 1);
    assert.equal((await inside(["true"])).status, 0);
  });

  it("kills everything with the program", async () => {
    const program = await start(["timeout", "60", "sleep", "60"]);
    const children = readFileSync(
      `/proc/${program.identity.pid}/task/${program.identity.pid}/children`,
      "utf8",
    );
    kill(program.identity, "SIGKILL");
    assert.deepEqual(await program.exited, { status: 137 });
    for (const pid of children.split(" ").filter(Boolean))
      assert.equal(processIdentity(Number(pid)), undefined);
  });

  it("fails with what bwrap said, and leaves nothing", async () => {
    await assert.rejects(
      start(["true"], { netns: "/run/netns/does-not-exist" }),
      (error) =>
        error instanceof CommandError && error.reason === "exit" && /does-not-exist/.test(error.stderr),
    );
  });

  it("leaves nothing when the control group refuses", async () => {
    const refusal = new Error("no");
    let held = 0;
    const cgroup = {
      ...{
        path: "x",
        members: () => [],
        kill: async () => {},
        remove: async () => {},
        removeIfUnused: () => {},
      },
      add(pid: number) {
        held = pid;
        throw refusal;
      },
    };
    await assert.rejects(
      start(["touch", "/tmp/ran"], {}, { cgroup }),
      (error) => error instanceof CommandError && error.cause === refusal,
    );
    assert.notEqual(held, 0);
    assert.equal(processIdentity(held), undefined);
    assert.equal(readFileSync(output, "utf8"), "", "it never ran");
  });

  it("starts a program that survives the end of its starter", async () => {
    const { starter, identity } = await startStarter(["sleep", "60"]);
    assert.equal(isAlive(identity), true);
    starter.kill("SIGKILL");
    await once(starter, "exit");
    assert.equal(await waitForExit(identity, 200), false, "it lives on");
    kill(identity, "SIGKILL");
    assert.equal(await waitForExit(identity, 5000), true);
  });

  it("passes on no descriptor that its own process was started with", async () => {
    const file = openSync(join(dir, "leak"), "w");
    const { starter, identity } = await startStarter(
      ["ls", "-l", "/proc/self/fd"],
      ["ignore", "ignore", file],
    );
    closeSync(file);
    assert.equal(await waitForExit(identity, 5000), true);
    starter.kill("SIGKILL");
    await once(starter, "exit");
    const targets = [...readFileSync(output, "utf8").matchAll(/ (\d+) -> (\S+)/g)].map(([, fd, to]) => [
      fd,
      to,
    ]);
    assert.deepEqual(
      targets.filter(([, to]) => to !== "/dev/null").map(([fd]) => fd),
      ["1", "2", "3"],
      "output, and the directory that ls reads",
    );
  });
});

/** Another process that starts a confined program, prints its identity, and stays; descriptors from 3 on. */
async function startStarter(argv: Argv, fds: (number | "ignore")[] = []) {
  const script = join(dir, "starter.ts");
  writeFileSync(
    script,
    `import { openSync } from "node:fs";
     import { spawnConfined } from ${JSON.stringify(join(import.meta.dirname, "spawn.ts"))};
     const fd = openSync(${JSON.stringify(output)}, "w");
     const options = { stdout: fd, stderr: fd, env: { PATH: "/usr/bin" } };
     const program = await spawnConfined(${JSON.stringify(base)}, ${JSON.stringify(argv)}, options);
     console.log(JSON.stringify(program.identity));
     setInterval(() => {}, 1000);`,
  );
  const starter = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit", ...fds] });
  const stdout = starter.stdio[1] as Readable;
  const [line] = (await once(stdout, "data")) as [Buffer];
  return { starter, identity: JSON.parse(line.toString()) as ProcessIdentity };
}
