import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { layerNodes, nodeName, parseNodeName } from "./block-nodes.ts";

describe("names of block nodes", () => {
  it("lead back to disk and layer, and are unique", () => {
    const place = fc.record({ diskId: fc.stringMatching(/^[a-z]{1,8}$/), index: fc.nat(9999) });
    fc.assert(
      fc.property(place, place, (one, other) => {
        const names = [one, other].map(({ diskId, index }) => nodesOf(diskId, index));
        for (const name of names[0] ?? []) assert.deepEqual(parseNodeName(name), { ...one });
        const same = one.diskId === other.diskId && one.index === other.index;
        assert.equal(new Set(names.flat()).size, same ? 2 : 4);
      }),
    );
  });

  it("are not read out of anything else", () => {
    for (const name of ["", "root", "12", "root1g", "Root1", "root 1", "#block123", "root12345"]) {
      assert.equal(parseNodeName(name), undefined, name);
    }
  });
});

function nodesOf(diskId: string, index: number): string[] {
  const nodes = layerNodes({
    diskId,
    index,
    filename: "/x",
    format: "qcow2",
    readOnly: false,
    backing: null,
  });
  assert.equal(nodes[1]["node-name"], nodeName(diskId, index));
  return nodes.map((node) => String(node["node-name"]));
}

describe("layerNodes()", () => {
  it("opens a block device as one, past the host's cache of it", () => {
    const [file, format] = layerNodes({
      diskId: "root",
      index: 0,
      filename: "/img/root.0",
      format: "device",
      readOnly: false,
      backing: null,
    });
    assert.equal(file["driver"], "host_device");
    assert.deepEqual(file["cache"], { direct: true });
    assert.equal(format["driver"], "raw");
    assert.equal(format["file"], "root0f");
  });
});
