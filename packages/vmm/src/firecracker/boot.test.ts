import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MIB } from "@wrenn/core";
import fc from "fast-check";
import { Compile } from "typebox/compile";
import type { MachineSpec } from "../vmm.ts";
import { OPERATIONS } from "./api/operations.ts";
import { bootRequests, loadRequest, rateRequests } from "./boot.ts";
import { machineConfinement, machineDevices, machineLimits } from "./confinement.ts";
import { firecrackerFingerprint } from "./fingerprint.ts";

const spec: MachineSpec = {
  id: "sb-1",
  vcpus: 2,
  memoryMb: 512,
  accelerator: "kvm",
  kernel: "/data/images/k",
  initramfs: "/data/images/i",
  commandLine: "console=ttyS0",
  disks: [
    { id: "root", layers: [{ path: "/dev/mapper/wrenn-0-x", format: "device" }], readOnly: false },
    { id: "agent", layers: [{ path: "/data/images/a", format: "raw" }], readOnly: true },
  ],
  net: { netnsPath: "/run/netns/n", tap: "tap0", guestMac: "02:00:00:00:00:01" },
  uid: 1900000001,
  dir: "/data/sandboxes/sb-1/vm-1",
  cgroup: "wrenn/0/sb-1.1",
  maxFileBytes: 64 * MIB,
};

const rate = fc.option(
  fc.record({
    bytesPerSec: fc.option(fc.integer({ min: 1, max: 10_000_000_000 }), { nil: undefined }),
    opsPerSec: fc.option(fc.integer({ min: 1, max: 1_000_000 }), { nil: undefined }),
  }),
  { nil: undefined },
);

describe("the calls of a machine", () => {
  it("fit the schemas, whatever the machine", () => {
    const machine = fc.record({
      vcpus: fc.integer({ min: 1, max: 32 }),
      memoryMb: fc.integer({ min: 128, max: 8192 }),
      commandLine: fc.string(),
      net: fc.constantFrom(undefined, spec.net),
      disks: fc.subarray([...spec.disks]),
      memory: fc.constantFrom(
        { kind: "image" as const, fd: 9 },
        { kind: "lazy" as const, pages: { module: "m", data: 0 } },
      ),
    });
    fc.assert(
      fc.property(
        machine,
        fc.record({ disk: rate, network: rate }),
        fc.boolean(),
        (given, rates, tracked) => {
          const one = { ...spec, ...given };
          const options = { rates, trackDirtyPages: tracked };
          for (const { operation, body } of [
            ...bootRequests(one, options),
            loadRequest(one, options),
            ...rateRequests(one, rates),
          ]) {
            const schema = OPERATIONS[operation].body;
            assert.ok(schema && Compile(schema).Check(body), `${operation}: ${JSON.stringify(body)}`);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it("end with the start, and tell the kernel how to end", () => {
    const requests = bootRequests(spec, { rates: {}, trackDirtyPages: true });
    assert.deepEqual(requests.at(-1), { operation: "action", body: { action_type: "InstanceStart" } });
    const source = requests.find(({ operation }) => operation === "bootSource");
    assert.match(JSON.stringify(source?.body), /console=ttyS0 reboot=k/);
  });
});

describe("the bounds of a machine", () => {
  it("are what they are called, also where they are low", () => {
    const buckets: [number, { size: number; refill_time: number }][] = [
      [1, { size: 1, refill_time: 1000 }],
      [10, { size: 1, refill_time: 100 }],
      [15, { size: 15, refill_time: 1000 }],
      [500, { size: 50, refill_time: 100 }],
      [50_000_001, { size: 5_000_000, refill_time: 100 }],
    ];
    for (const [opsPerSec, bucket] of buckets) {
      const [update] = rateRequests(spec, { disk: { opsPerSec } });
      assert.deepEqual(update?.body, {
        drive_id: "root",
        rate_limiter: { bandwidth: { size: 0, refill_time: 0 }, ops: bucket },
      });
    }
  });
});

describe("what a machine's process may use", () => {
  it("are its own disks at fixed places, and the devices that it needs", () => {
    assert.deepEqual(
      machineDevices(spec).map(({ to }) => to),
      ["/dev/kvm", "/dev/net/tun", "/img/root"],
    );
    assert.deepEqual(
      machineDevices({ ...spec, net: undefined, disks: [] }).map(({ to }) => to),
      ["/dev/kvm"],
    );
    const { binds, netns, limits } = machineConfinement(spec, { binary: "/opt/fc", devices: [] });
    assert.deepEqual(
      binds.ro.slice(-3).map((bind) => (typeof bind === "string" ? bind : bind.to)),
      ["/img/kernel", "/img/initramfs", "/img/agent"],
    );
    assert.deepEqual(binds.rw, [{ from: spec.dir, to: "/vm" }]);
    assert.equal(netns, "/run/netns/n");
    assert.equal(limits.fsizeBytes, 512 * MIB, "the picture of its memory is a file too");
    assert.equal(machineConfinement({ ...spec, net: undefined }, { binary: "/x", devices: [] }).netns, null);
  });

  it("is memory for itself, the guest, and a picture of the guest's", () => {
    assert.equal(machineLimits(spec).memoryBytes, (2 * 512 + 64) * MIB);
    assert.equal(machineLimits(spec, 5 * MIB).memoryBytes, (2 * 512 + 69) * MIB);
  });
});

describe("firecrackerFingerprint()", () => {
  it("outlasts what does not change the saved states' format", async () => {
    const of = (snapshotVersion: string) => firecrackerFingerprint({ snapshotVersion });
    assert.deepEqual(await of("10.0.0"), await of("10.0.1"));
    assert.notDeepEqual(await of("10.0.0"), await of("10.1.0"));
    assert.notDeepEqual(await of("10.0.0"), await of("9.0.0"));
  });
});
