import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Scope } from "./scope.ts";

describe("Scope", () => {
  it("gives back in reverse order, each exactly once, whichever releases fail", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 20 }), async (fails) => {
        const scope = new Scope();
        const released: number[] = [];
        for (const [index, failing] of fails.entries()) {
          scope.defer(`r${index}`, () => {
            released.push(index);
            if (failing) throw new Error(`r${index} failed`);
          });
        }
        const failures = fails.filter(Boolean).length;
        if (failures === 0) await scope.close();
        else {
          await assert.rejects(scope.close(), (reason: Error) =>
            failures === 1 ? /could not release r\d+/.test(reason.message) : reason instanceof AggregateError,
          );
        }
        await scope.close();
        assert.deepEqual(released, [...fails.keys()].reverse());
      }),
    );
  });

  it("records nothing when acquiring fails", async () => {
    const scope = new Scope();
    await assert.rejects(
      scope.take(
        "broken",
        () => Promise.reject(new Error("no")),
        () => assert.fail("released what was never held"),
      ),
      /no/,
    );
    await scope.close();
  });

  it("gives back at once what arrives after it was closed", async () => {
    const scope = new Scope();
    const gate = Promise.withResolvers<string>();
    let released = "";
    const taking = scope.take(
      "late",
      () => gate.promise,
      (value) => {
        released = value;
      },
    );
    await scope.close();
    gate.resolve("late");
    await assert.rejects(taking, /closed/);
    assert.equal(released, "late");
  });

  it("moves what it holds to a new owner", async () => {
    let released = 0;
    let kept: Scope;
    {
      await using scope = new Scope();
      scope.defer("x", () => {
        released++;
      });
      kept = scope.move();
    }
    assert.equal(released, 0);
    await kept.close();
    assert.equal(released, 1);
  });
});
