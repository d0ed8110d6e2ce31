import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { borrowPlatform } from "./lent-platform.ts";
import type { Platform } from "./platform.ts";
import { pidsOf } from "./processes.ts";

describe("confinement of the virtual machine monitor", () => {
  let platform: Platform;
  let first = 0;
  let second = 0;
  before(async () => {
    platform = await borrowPlatform();
    // One that has booted and one that is a clone, whose memory is a file that it was given.
    const booted = await platform.sandbox({ memory_mb: 256, start: "cold" });
    const clone = await platform.sandbox();
    const vmm = (id: string) =>
      pidsOf((argv) => /qemu-system/.test(argv[0] ?? "") && argv.includes(id))[0] ?? 0;
    first = vmm(booted.id);
    second = vmm(clone.id);
    assert.ok(first > 0 && second > 0);
  });
  after(() => platform?.stop());

  const status = (pid: number) =>
    Object.fromEntries(
      readFileSync(`/proc/${pid}/status`, "utf8")
        .split("\n")
        .map((line) => line.split(":\t") as [string, string]),
    );
  const namespace = (pid: number | "self", kind: string) => readlinkSync(`/proc/${pid}/ns/${kind}`);

  it("each runs under a user of its own, without groups and capabilities, and can gain none", () => {
    const [a, b] = [status(first), status(second)];
    assert.notEqual(a["Uid"], b["Uid"]);
    for (const fields of [a, b]) {
      assert.match(fields["Uid"] ?? "", /^(19\d{8})\t\1\t\1\t\1$/);
      assert.equal(fields["Uid"], fields["Gid"]);
      assert.equal(fields["Groups"]?.trim(), "");
      for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
        assert.match(fields[set] ?? "", /^0+$/, set);
      assert.equal(fields["NoNewPrivs"], "1");
    }
  });

  it("has QEMU's system call filter on, with all four groups denied", () => {
    assert.equal(status(first)["Seccomp"], "2");
    const argv = readFileSync(`/proc/${first}/cmdline`, "utf8").split("\0");
    assert.equal(
      argv[argv.indexOf("-sandbox") + 1],
      "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    );
  });

  it("has namespaces of its own", () => {
    for (const kind of ["mnt", "pid", "ipc", "uts", "net"]) {
      const all = [namespace("self", kind), namespace(first, kind), namespace(second, kind)];
      assert.equal(new Set(all).size, 3, kind);
    }
  });

  it("can write one directory, and sees no other sandbox and nothing of the platform", () => {
    const mounts = readFileSync(`/proc/${first}/mountinfo`, "utf8").trim().split("\n");
    const writable = mounts
      .map((line) => line.split(" "))
      .filter(([, , , , , options]) => options?.split(",").includes("rw"))
      .map(([, , , , point]) => point ?? "");
    const files = writable.filter((point) => !/^\/(dev|proc)(\/|$)/.test(point));
    assert.deepEqual(files, ["/vm"]);
    assert.deepEqual(readdirSync(`/proc/${first}/root/vm`).sort(), ["console.log", "root-0"]);
    for (const hidden of ["etc/shadow", "root", "home", "var", "run/wrenn", "tmp/wrenn"]) {
      assert.throws(() => readdirSync(`/proc/${first}/root/${hidden}`), { code: "ENOENT" }, hidden);
    }
  });

  it("is bounded in memory, processor time, processes and file size", () => {
    const limits = readFileSync(`/proc/${first}/limits`, "utf8");
    const fileSize = Number(/Max file size\s+(\d+)/.exec(limits)?.[1]);
    assert.ok(fileSize > 1e9 && fileSize < 100e9, `file size ${fileSize}`);
    assert.match(limits, /Max core file size\s+0/);
    const groups = readFileSync(`/proc/${first}/cgroup`, "utf8").trim().split("\n");
    const inGroup = groups.filter((line) => line.includes(`wrenn/${platform.block}/sb-`));
    assert.ok(inGroup.length > 0, groups.join(" "));
    for (const line of inGroup) {
      const [, controllers = "", path = ""] = line.split(":");
      if (controllers === "memory")
        assert.ok(number(`/sys/fs/cgroup/memory${path}/memory.limit_in_bytes`) < 1e9);
      if (controllers === "cpu") assert.ok(number(`/sys/fs/cgroup/cpu${path}/cpu.cfs_quota_us`) > 0);
      if (controllers === "pids") assert.ok(number(`/sys/fs/cgroup/pids${path}/pids.max`) < 1000);
      if (controllers === "" && !inGroup.some((other) => other.includes(":memory:"))) {
        assert.ok(number(`/sys/fs/cgroup${path}/memory.max`) < 1e9);
      }
    }
  });

  it("holds no descriptor of the host agent but its console", () => {
    const open = readdirSync(`/proc/${first}/fd`).map((fd) => readlinkSync(`/proc/${first}/fd/${fd}`));
    const foreign = open.filter((target) => target.startsWith("/") && !/^\/(vm|img|dev|proc)\//.test(target));
    assert.deepEqual(
      foreign.filter((target) => !target.endsWith("/vm-1/console.log")),
      [],
    );
  });
});

function number(path: string): number {
  return Number(readFileSync(path, "utf8").trim());
}
