import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { MachineSpec } from "../vmm.ts";
import { qemuArguments as argumentsOf, DEVICE_SET } from "./arguments.ts";

const SPEC: MachineSpec = {
  id: "sb-aaaaaaaaaaaaaaaa",
  vcpus: 2,
  memoryMb: 512,
  accelerator: "tcg",
  kernel: "/data/k",
  initramfs: "/data/i",
  commandLine: "console=ttyS0 quiet",
  disks: [
    {
      id: "root",
      readOnly: false,
      layers: [
        { path: "/data/base.ext4", format: "raw" },
        { path: "/data/sb/vm/root.qcow2", format: "qcow2" },
      ],
    },
    { id: "agent", readOnly: true, layers: [{ path: "/data/agent.erofs", format: "raw" }] },
  ],
  net: { netnsPath: "/run/netns/wrenn-0-1", tap: "tap0", guestMac: "02:fc:00:00:00:05" },
  uid: 1_900_000_002,
  dir: "/data/sb/vm",
  cgroup: "0/sb-aaaaaaaaaaaaaaaa",
  maxFileBytes: 1,
};

function qemuArguments(spec: MachineSpec): string[] {
  return argumentsOf(spec, { fds: { qmp: 5 }, incoming: false });
}

/** All values that follow an option. */
function values(argv: string[], option: string): string[] {
  return argv.flatMap((arg, i) => (arg === option ? [argv[i + 1] ?? ""] : []));
}

describe("DEVICE_SET", () => {
  const chips = { kvm: ",pit=off,pic=off", tcg: "" };
  for (const accelerator of ["tcg", "kvm"] as const)
    it(`is counted up with what a guest sees under ${accelerator}: a saved state fits no other machine`, () => {
      const argv = qemuArguments({ ...SPEC, accelerator });
      assert.deepEqual(
        { set: DEVICE_SET, machine: values(argv, "-machine"), devices: values(argv, "-device") },
        {
          set: "microvm 1",
          machine: [
            "microvm,x-option-roms=off,rtc=on,acpi=on,isa-serial=on,mem-merge=off,memory-backend=m0" +
              chips[accelerator],
          ],
          devices: [
            "virtio-blk-device,drive=root1,id=root,werror=report,rerror=report",
            "virtio-blk-device,drive=agent0,id=agent,werror=report,rerror=report",
            "virtio-net-device,netdev=net0,mac=02:fc:00:00:00:05",
          ],
        },
      );
    });
});

describe("qemuArguments()", () => {
  it("denies all four groups of system calls", () => {
    assert.deepEqual(values(qemuArguments(SPEC), "-sandbox"), [
      "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    ]);
  });

  it("has an emulated processor not say that it copies bytes quickly; under KVM it is the host's", () => {
    assert.deepEqual(values(qemuArguments(SPEC), "-cpu"), ["max,-erms,-fsrm"]);
    assert.deepEqual(values(qemuArguments({ ...SPEC, accelerator: "kvm" }), "-cpu"), ["host"]);
  });

  it("keeps the command line of the guest one argument, whatever is in it", () => {
    const commandLine = 'a="b c",d -monitor stdio';
    const argv = qemuArguments({ ...SPEC, commandLine });
    assert.deepEqual(values(argv, "-append"), [commandLine]);
    assert.ok(!argv.includes("-monitor"));
  });

  it("opens only the top layer of a writable disk for writing and names every backing node itself", () => {
    const nodes = values(qemuArguments(SPEC), "-blockdev").map(
      (text) => JSON.parse(text) as Record<string, unknown>,
    );
    const writable = nodes.filter((node) => node["read-only"] === false).map((node) => node["node-name"]);
    assert.deepEqual(writable, ["root1f", "root1"]);
    assert.equal(nodes.find((node) => node["node-name"] === "root1")?.["backing"], "root0");
  });

  it("has every disk tell the guest of a failed request, which stops no machine", () => {
    const disks = values(qemuArguments(SPEC), "-device").filter((device) => device.includes("virtio-blk"));
    assert.equal(disks.length, SPEC.disks.length);
    for (const disk of disks) assert.match(disk, /,werror=report,rerror=report$/);
  });

  it("gives a lone qcow2 layer no backing at all", () => {
    const disks = [
      { id: "root", readOnly: false, layers: [{ path: "/data/sb/vm/a.qcow2", format: "qcow2" as const }] },
    ];
    const nodes = values(qemuArguments({ ...SPEC, disks }), "-blockdev").map((text) => JSON.parse(text));
    assert.equal(nodes[1].backing, null);
  });

  it("uses paths that are the same for every sandbox", () => {
    const elsewhere = JSON.stringify(SPEC).replaceAll("/data/sb/vm", "/data/other/vm");
    const other = JSON.parse(elsewhere) as MachineSpec;
    assert.deepEqual(values(qemuArguments(other), "-blockdev"), values(qemuArguments(SPEC), "-blockdev"));
  });

  it("turns PIT and PIC off under KVM only: TCG hangs without them", () => {
    assert.doesNotMatch(values(qemuArguments(SPEC), "-machine")[0] ?? "", /pi[tc]=off/);
    assert.match(
      values(qemuArguments({ ...SPEC, accelerator: "kvm" }), "-machine")[0] ?? "",
      /pit=off,pic=off/,
    );
  });

  it("gives memory one name, whether it is fresh or an image's, and never shares what is written", () => {
    const fresh = argumentsOf(SPEC, { fds: { qmp: 5 }, incoming: false });
    const image = argumentsOf(SPEC, { fds: { qmp: 5, memory: 7 }, incoming: true });
    assert.deepEqual(values(fresh, "-object"), ["memory-backend-ram,id=m0,size=512M"]);
    assert.deepEqual(values(image, "-object"), [
      "memory-backend-file,id=m0,size=512M,mem-path=/proc/self/fd/7,share=off",
    ]);
  });

  it("has the same devices without anything behind them when it is only asked for its tables", () => {
    const start = argumentsOf(SPEC, { fds: { qmp: 5 }, incoming: false });
    const probe = argumentsOf(SPEC, { fds: { qmp: 5 }, incoming: false, probe: true });
    assert.deepEqual(values(probe, "-device"), values(start, "-device"));
    assert.ok(probe.includes("-S"));
    assert.deepEqual(values(probe, "-object"), ["memory-backend-ram,id=m0,size=512M,share=on"]);
    assert.doesNotMatch(JSON.stringify(probe), /qcow2|tap0|agent.erofs/);
    const backends = ["-object", "-blockdev", "-netdev"];
    const withoutBackends = (argv: string[]) =>
      argv.filter(
        (arg, i) => arg !== "-S" && !backends.includes(arg) && !backends.includes(argv[i - 1] ?? ""),
      );
    assert.deepEqual(withoutBackends(probe), withoutBackends(start));
  });

  it("differs for a saved state in nothing that the guest can see", () => {
    const start = argumentsOf(SPEC, { fds: { qmp: 5 }, incoming: false });
    const restore = argumentsOf(SPEC, { fds: { qmp: 5 }, incoming: true });
    assert.deepEqual(
      restore.filter((arg) => !["-S", "-incoming", "defer"].includes(arg)),
      start,
    );
    assert.deepEqual(values(restore, "-incoming"), ["defer"]);
    assert.ok(restore.includes("-S"));
  });
});
