import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { addressOf, MAX_REGIONS, pageAt, Regions } from "./regions.ts";

const PAGE = 4096;

/** As Firecracker 1.16 writes it for a machine whose memory lies on both sides of the hole for devices. */
const TWO = [
  {
    base_host_virt_addr: 0x7f00_0000_0000,
    size: 64 * PAGE,
    offset: 0,
    page_size: PAGE,
    page_size_kib: PAGE,
  },
  {
    base_host_virt_addr: 0x7e00_0000_0000,
    size: 36 * PAGE,
    offset: 64 * PAGE,
    page_size: PAGE,
    page_size_kib: PAGE,
  },
];

function changed(change: Record<string, unknown>): string {
  return JSON.stringify([{ ...TWO[0], ...change }, TWO[1]]);
}

describe("Regions", () => {
  it("finds the page of an address and the address of a page, whichever comes next", () => {
    const regions = Regions.parse(JSON.stringify(TWO), 100);
    fc.assert(
      fc.property(fc.nat(99), fc.nat(PAGE - 1), (page, rest) => {
        const start = page < 64 ? 0x7f00_0000_0000 + page * PAGE : 0x7e00_0000_0000 + (page - 64) * PAGE;
        const region = regions.at(start + rest);
        assert.ok(region);
        assert.equal(pageAt(region, start + rest), page);
        assert.equal(regions.of(page), region);
        assert.equal(addressOf(region, page), start);
      }),
    );
    for (const outside of [
      0,
      0x7f00_0000_0000 - 1,
      0x7f00_0000_0000 + 64 * PAGE,
      0x7e00_0000_0000 + 36 * PAGE,
    ]) {
      assert.equal(regions.at(outside), undefined);
    }
    assert.throws(() => regions.of(100), /in no region/);
  });

  it("takes them in any order, and what a newer version may add", () => {
    const text = JSON.stringify([TWO[1], { ...TWO[0], memory_kind: "hot" }]);
    assert.deepEqual(Regions.parse(text, 100).list, Regions.parse(JSON.stringify(TWO), 100).list);
    const { page_size: _, ...older } = TWO[0] ?? {};
    assert.equal(Regions.parse(JSON.stringify([older, TWO[1]]), 100).list.length, 2);
  });

  it("refuses whatever does not describe that memory exactly", () => {
    const many = Array.from({ length: MAX_REGIONS + 1 }, (_, i) => ({
      base_host_virt_addr: (1 + 2 * i) * PAGE,
      size: PAGE,
      offset: i * PAGE,
      page_size: PAGE,
    }));
    const cases: [string, RegExp][] = [
      ["", /not JSON/],
      ["{}", /not a list/],
      ["[]", /not a list/],
      ["[1]", /not an object/],
      ["[null]", /not an object/],
      [JSON.stringify(many), /not a list of 1 to 64/],
      [changed({ page_size: 2 * 1024 * 1024 }), /pages of 2097152 bytes/],
      [changed({ page_size: undefined, page_size_kib: undefined }), /pages of undefined/],
      [changed({ base_host_virt_addr: 1 }), /base_host_virt_addr/],
      [changed({ base_host_virt_addr: -PAGE }), /base_host_virt_addr/],
      [changed({ base_host_virt_addr: 2 ** 60 }), /base_host_virt_addr/],
      [changed({ base_host_virt_addr: 2 ** 47 - PAGE }), /no process can have/],
      [changed({ base_host_virt_addr: "0" }), /base_host_virt_addr/],
      [changed({ size: 0 }), /no process can have/],
      [changed({ size: 63 * PAGE }), /page 63 is in no region/],
      [changed({ size: 65 * PAGE }), /page 64 is in no region, or in two/],
      [changed({ size: 64.5 * PAGE }), /size/],
      [changed({ offset: PAGE }), /page 0 is in no region/],
      [changed({ offset: null }), /offset/],
      [changed({ base_host_virt_addr: 0x7e00_0000_0000 + 35 * PAGE }), /overlap/],
    ];
    for (const [text, message] of cases) {
      assert.throws(() => Regions.parse(text, 100), { code: "invalid_argument", message }, text.slice(0, 80));
    }
    assert.throws(() => Regions.parse(JSON.stringify(TWO), 101), /100 pages instead of 101/);
  });
});
