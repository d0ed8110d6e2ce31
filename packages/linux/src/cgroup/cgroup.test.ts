import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { WrennError } from "@wrenn/core";
import { assertCgroupPath, type Cgroups } from "./cgroup.ts";
import { cgroupLayout, detectCgroups } from "./detect.ts";
import { DirectoryGroup, writeControlFile } from "./directory-group.ts";
import { handDown, PLATFORM_LEAF } from "./hand-down.ts";
import { v1Files, v2Files } from "./limits.ts";
import { CgroupsV2 } from "./v2.ts";

const MIB = 1024 * 1024;

describe("limits", () => {
  it("become the files of version 1", () => {
    assert.deepEqual(
      v1Files({ memoryBytes: 64 * MIB, cpus: 1.25, pids: 50 }).map((file) => `${file.name}=${file.value}`),
      [
        "memory.limit_in_bytes=67108864",
        "memory.memsw.limit_in_bytes=67108864",
        "cpu.cfs_period_us=100000",
        "cpu.cfs_quota_us=125000",
        "pids.max=50",
      ],
    );
  });

  it("become the files of version 2", () => {
    assert.deepEqual(
      v2Files({ memoryBytes: 64 * MIB, cpus: 1.25, pids: 50 }).map((file) => `${file.name}=${file.value}`),
      [
        "memory.max=67108864",
        "memory.swap.max=0",
        "memory.oom.group=1",
        "cpu.max=125000 100000",
        "pids.max=50",
      ],
    );
  });

  it("that are not given set nothing", () => {
    assert.deepEqual([...v1Files({}), ...v2Files({})], []);
  });
});

describe("assertCgroupPath()", () => {
  it("refuses whatever could leave the platform's groups", () => {
    assertCgroupPath("wrenn/7/sb-0123456789abcdef");
    for (const path of [
      "",
      "/",
      "/wrenn",
      "wrenn/",
      "wrenn//7",
      "..",
      "wrenn/../x",
      "wrenn/.",
      "a\0b",
      "a b",
    ]) {
      assert.throws(() => assertCgroupPath(path), WrennError, path);
    }
  });
});

describe("cgroupLayout()", () => {
  const mount = (at: string, type: string, options: string) =>
    `30 23 0:26 / ${at} rw,relatime shared:9 - ${type} ${type} ${options}`;

  it("prefers version 1 on a mixed machine, with controllers mounted together", () => {
    const mixed = [
      mount("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct"),
      mount("/sys/fs/cgroup/memory", "cgroup", "rw,memory"),
      mount("/sys/fs/cgroup/pids", "cgroup", "rw,pids"),
      mount("/sys/fs/cgroup/unified", "cgroup2", "rw,nsdelegate"),
    ].join("\n");
    assert.deepEqual(cgroupLayout(mixed, "0::/\n"), {
      version: 1,
      mounts: {
        cpu: "/sys/fs/cgroup/cpu,cpuacct",
        memory: "/sys/fs/cgroup/memory",
        pids: "/sys/fs/cgroup/pids",
      },
    });
  });

  it("uses a service's own subtree under version 2, and the root otherwise", () => {
    const unified = mount("/sys/fs/cgroup", "cgroup2", "rw,nsdelegate");
    const service = { version: 2, base: "/sys/fs/cgroup/system.slice/wrenn.service", isRoot: false };
    const root = { version: 2, base: "/sys/fs/cgroup", isRoot: true };
    assert.deepEqual(cgroupLayout(unified, "0::/system.slice/wrenn.service\n"), service);
    assert.deepEqual(cgroupLayout(unified, "0::/system.slice/wrenn.service/platform\n"), service);
    assert.deepEqual(cgroupLayout(unified, "0::/user.slice/user-0.slice/session-1.scope\n"), root);
    assert.deepEqual(cgroupLayout(unified, "0::/\n"), root);
  });

  it("says so when there are none", () => {
    assert.throws(() => cgroupLayout("", ""), WrennError);
  });
});

/** What both adapters promise. */
function contract(cgroups: () => Cgroups) {
  const parent = `wrenn-test-${randomBytes(4).toString("hex")}`;

  it("takes processes in, with what they start, and kills them all", async () => {
    const group = cgroups().create(`${parent}/7/sb-a`, {});
    try {
      // The second process is started by the first, from inside the group.
      const child = spawn("timeout", ["60", "sleep", "60"], { stdio: "ignore", detached: true });
      const exited = once(child, "exit");
      assert.ok(child.pid);
      group.add(child.pid);
      assert.ok(group.members().includes(child.pid));
      await group.kill();
      assert.deepEqual(group.members(), []);
      assert.equal((await exited)[1], "SIGKILL");
    } finally {
      await group.kill();
      await group.remove();
      await cgroups().open(`${parent}/7`).remove();
      await cgroups().open(parent).remove();
    }
  });

  it("lists, and forgives what is gone already", async () => {
    const names = ["sb-a", "sb-b"];
    for (const name of names) cgroups().create(`${parent}/7/${name}`, {});
    cgroups().create(`${parent}/7/sb-a`, {});
    assert.deepEqual(cgroups().list(`${parent}/7`).toSorted(), names);
    for (const path of [...names.map((name) => `${parent}/7/${name}`), `${parent}/7`, parent]) {
      await cgroups().open(path).remove();
      await cgroups().open(path).remove();
      await cgroups().open(path).kill();
    }
    assert.deepEqual(cgroups().list(parent), []);
    assert.deepEqual(cgroups().open(parent).members(), []);
  });

  it("refuses to add a process that does not exist", async () => {
    const group = cgroups().create(`${parent}-empty`, {});
    try {
      assert.throws(() => group.add(2 ** 22 + 1), { code: "ESRCH" });
    } finally {
      await group.remove();
    }
  });
}

/** Where version 2 is mounted here, with or without controllers. */
function unifiedMount(): string {
  const line = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .find((mount) => mount.split(" ")[2] === "cgroup2");
  const at = line?.split(" ")[1];
  assert.ok(at, "no cgroup2 on this machine");
  return at;
}

describe("the control groups of this machine", () => {
  const cgroups = detectCgroups();
  contract(() => cgroups);

  it("enforce the number of processes and the memory", async () => {
    const path = `wrenn-test-${randomBytes(4).toString("hex")}`;
    const group = cgroups.create(path, { memoryBytes: 32 * MIB, cpus: 1.5, pids: 1 });
    try {
      // Both read their input before they do what is forbidden, so they are in the group by then.
      const hoarder = spawn("tail", ["-c", "200000000"], { stdio: ["pipe", "ignore", "ignore"] });
      const hoarderEnd = once(hoarder, "exit");
      assert.ok(hoarder.pid);
      group.add(hoarder.pid);
      hoarder.stdin.on("error", () => {}).end(Buffer.alloc(100 * MIB, "x"));
      assert.equal((await hoarderEnd)[1], "SIGKILL", "over the memory limit");

      const forker = spawn("xargs", ["true"], { stdio: ["pipe", "ignore", "ignore"] });
      const forkerEnd = once(forker, "exit");
      assert.ok(forker.pid);
      group.add(forker.pid);
      forker.stdin.end("x\n");
      assert.equal((await forkerEnd)[0], 1, "xargs cannot fork");
    } finally {
      await group.kill();
      await group.remove();
    }
  });
});

describe("control groups of version 2", () => {
  contract(() => new CgroupsV2(unifiedMount(), { isRoot: true }));

  it("refuse limits whose controllers are not there", async () => {
    const base = unifiedMount();
    const name = `wrenn-test-${randomBytes(4).toString("hex")}`;
    const empty = new CgroupsV2(base, { isRoot: true }).create(name, {});
    try {
      // A new group has no controllers of its own until its parent hands them down.
      const inside = new CgroupsV2(`${base}/${name}`, { isRoot: true });
      assert.throws(
        () => inside.create("a", { pids: 5 }),
        (error) => error instanceof WrennError && error.code === "unavailable",
      );
      await inside.open("a").remove();
    } finally {
      await empty.remove();
    }
    assert.equal(existsSync(`${base}/${name}`), false);
  });

  it("hand controllers down a delegated subtree, after moving its processes to a leaf", async () => {
    const root = unifiedMount();
    const base = `${root}/wrenn-test-${randomBytes(4).toString("hex")}`;
    const [controller] = readFileSync(`${root}/cgroup.controllers`, "utf8").trim().split(" ");
    assert.ok(controller, "version 2 has no controller at all here");
    const wasEnabled = readFileSync(`${root}/cgroup.subtree_control`, "utf8").includes(controller);
    writeControlFile(`${root}/cgroup.subtree_control`, `+${controller}`);
    const subtree = new CgroupsV2(base, { isRoot: false });
    const resident = spawn("sleep", ["60"], { stdio: "ignore" });
    try {
      subtree.create("wrenn/7/sb-a", {});
      assert.ok(resident.pid);
      new DirectoryGroup("service", [base]).add(resident.pid);
      handDown({ base, isRoot: false, path: "wrenn/7/sb-a", controllers: [controller] });
      assert.match(readFileSync(`${base}/wrenn/7/sb-a/cgroup.controllers`, "utf8"), new RegExp(controller));
      assert.deepEqual(subtree.open(PLATFORM_LEAF).members(), [resident.pid]);
    } finally {
      const exited = once(resident, "exit");
      resident.kill("SIGKILL");
      await exited;
      for (const path of ["wrenn/7/sb-a", "wrenn/7", "wrenn", PLATFORM_LEAF])
        await subtree.open(path).remove();
      await new DirectoryGroup("base", [base]).remove();
      if (!wasEnabled) writeControlFile(`${root}/cgroup.subtree_control`, `-${controller}`);
    }
  });
});
