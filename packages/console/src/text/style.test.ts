import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ofIndex, ofRgb } from "./palette.ts";
import { applySgr, classesOf, PLAIN } from "./style.ts";

const classes = (...parameters: number[]) => classesOf(applySgr(PLAIN, parameters));

describe("styles", () => {
  it("know the sixteen colours and the flags", () => {
    assert.equal(classes(31), "fg-1");
    assert.equal(classes(1, 92, 44), "bold fg-10 bg-4");
    assert.equal(classes(3, 4, 9, 2), "dim italic underline strike");
    assert.equal(classes(31, 39, 1, 22), "");
    assert.equal(classes(31, 42, 0), "");
  });

  it("bring the others down to the sixteen", () => {
    assert.equal(classes(38, 5, 196), "fg-9");
    assert.equal(classes(48, 5, 21, 1), "bold bg-12");
    assert.equal(classes(38, 2, 0, 160, 0), "fg-2");
    assert.equal(classes(38, 5), "");
    assert.deepEqual([ofIndex(3), ofIndex(232), ofIndex(255), ofIndex(256)], [3, 0, 15, undefined]);
    assert.equal(ofRgb(255, 255, 255), 15);
  });

  it("invert, also what has no colour of its own", () => {
    assert.equal(classes(7), "fg-default bg-default");
    assert.equal(classes(31, 7), "fg-default bg-1");
    assert.equal(classes(7, 27), "");
  });

  it("make nothing but class names of the style sheet, whatever the parameters", () => {
    const known = /^(bold|dim|italic|underline|strike|fg-(\d|1[0-5]|default)|bg-(\d|1[0-5]|default))$/;
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer({ min: 0, max: 110 }), fc.nat(), fc.constant(Number.NaN))),
        (all) => {
          for (const name of classes(...all)
            .split(" ")
            .filter(Boolean))
            assert.match(name, known);
        },
      ),
    );
  });
});
