import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Result, ratio, verdicts } from "./result.ts";

const figureOf = (median: number) => ({ median, p95: median * 2, samples: 3 });
const boot: Result = {
  name: "boot",
  unit: "ms",
  platform: figureOf(200),
  raw: figureOf(100),
  promises: [
    { number: "1", of: "ratio", bound: { max: 1.3 } },
    { number: "2", of: "p95", bound: { max: 399 } },
  ],
};

describe("verdicts()", () => {
  it("holds a ratio and an absolute bound against what was measured", () => {
    assert.equal(ratio(boot), 2);
    assert.deepEqual(
      verdicts([boot], 1).map(({ kept, value }) => [kept, value]),
      [
        [false, 2],
        [false, 400],
      ],
    );
  });

  it("loosens ratios in both directions and leaves absolute bounds out", () => {
    assert.deepEqual(
      verdicts([boot], 3).map(({ kept }) => kept),
      [true],
    );
    const files: Result = { ...boot, promises: [{ number: "3", of: "ratio", bound: { min: 9 } }] };
    assert.equal(verdicts([files], 1)[0]?.kept, false);
    assert.equal(verdicts([files], 5)[0]?.kept, true);
  });

  it("takes off what a ratio is granted, before it compares", () => {
    const granted = (plus: number): Result => ({
      ...boot,
      promises: [{ number: "4", of: "ratio", bound: { max: 1.5, plus } }],
    });
    assert.deepEqual(
      [49, 50].map((plus) => verdicts([granted(plus)], 1)[0]?.kept),
      [false, true],
    );
    assert.equal(verdicts([granted(300)], 1)[0]?.value, 0);
  });

  it("does not let a ratio without a counterpart pass", () => {
    const { raw, ...alone } = boot;
    assert.ok(raw);
    assert.throws(() => verdicts([alone], 1), RangeError);
  });
});
