import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { labArguments } from "./arguments.ts";

describe("labArguments()", () => {
  const argv = labArguments({
    kernel: "/k",
    initramfs: "/i",
    commandLine: "quiet",
    console: "/c",
    disks: [
      { path: "/top", format: "qcow2", readOnly: false, base: "/base" },
      { path: "/drive", format: "raw", readOnly: true },
    ],
    forward: [
      { from: 1111, to: 22 },
      { from: 2222, to: 33 },
    ],
  });
  const after = (option: string) => argv.flatMap((arg, index) => (argv[index - 1] === option ? [arg] : []));

  it("gives the lab a processor with virtualisation", () => {
    assert.deepEqual(after("-cpu"), ["EPYC,+svm,+npt"]);
    assert.match(after("-accel")[0] ?? "", /^tcg,/);
  });

  it("lets nobody in but through the loopback, and the lab out to nowhere", () => {
    const [netdev = ""] = after("-netdev");
    assert.match(netdev, /restrict=on/);
    const forwards = netdev.split(",").filter((part) => part.startsWith("hostfwd="));
    assert.equal(forwards.length, 2);
    for (const forward of forwards)
      assert.match(forward, /^hostfwd=tcp:127\.0\.0\.1:\d+-169\.254\.0\.21:\d+$/);
  });

  it("writes to a disk's layer and never to its base", () => {
    const nodes = after("-blockdev").map((text) => JSON.parse(text) as Record<string, unknown>);
    const base = nodes.filter((node) => String(node["node-name"]).startsWith("disk0b"));
    assert.equal(base.length, 2);
    assert.ok(base.every((node) => node["read-only"] === true));
    assert.equal(nodes.find((node) => node["node-name"] === "disk0")?.["backing"], "disk0b");
    assert.equal(nodes.find((node) => node["node-name"] === "disk1")?.["read-only"], true);
    assert.equal(after("-device").filter((device) => device.startsWith("virtio-blk")).length, 2);
  });
});
