import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { age, formatFields, formatTable, size } from "./table.ts";

describe("formatTable()", () => {
  const columns = [
    { title: "NAME", value: ({ name }: { name: string; n: number }) => name },
    { title: "N", value: ({ n }: { name: string; n: number }) => n },
  ];

  it("lines columns up, numbers on the right, without trailing blanks", () => {
    const rows = [
      { name: "a", n: 1 },
      { name: "longer", n: 100 },
    ];
    assert.equal(formatTable(columns, rows), "NAME      N\na         1\nlonger  100\n");
  });

  it("keeps the titles when there are no rows", () => {
    assert.equal(formatTable(columns, []), "NAME  N\n");
  });

  it("lets no text steer the terminal", () => {
    assert.equal(formatTable(columns, [{ name: "\u001b[31m\nx", n: 1 }]).includes("\u001b"), false);
    assert.equal(formatTable(columns, [{ name: "a\nb", n: 1 }]).split("\n").length, 3);
  });
});

describe("formatFields()", () => {
  it("leaves out what has no value", () => {
    assert.equal(formatFields({ id: "x", error: undefined, longer: 2 }), "id      x\nlonger  2\n");
  });
});

describe("age()", () => {
  it("uses one unit", () => {
    const now = Date.parse("2026-11-23T12:00:00.000Z");
    const ages: [string, string][] = [
      ["2026-11-23T12:00:05.000Z", "0 s"],
      ["2026-11-23T11:59:00.000Z", "60 s"],
      ["2026-11-23T11:50:00.000Z", "10 min"],
      ["2026-11-23T02:00:00.000Z", "10 h"],
      ["2026-11-13T12:00:00.000Z", "10 d"],
    ];
    for (const [time, text] of ages) assert.equal(age(time, now), text);
  });
});

describe("size()", () => {
  it("uses binary units", () => {
    assert.deepEqual([0, 1023, 1024, 412_090_368].map(size), ["0 B", "1023 B", "1.0 KiB", "393.0 MiB"]);
  });
});
