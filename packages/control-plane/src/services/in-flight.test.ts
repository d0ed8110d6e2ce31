import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { InFlight } from "./in-flight.ts";

describe("InFlight", () => {
  test("a subject is in flight until the last of its works has ended", async () => {
    const inFlight = new InFlight();
    const first = Promise.withResolvers<void>();
    const running = inFlight.run("a", () => first.promise);
    await inFlight.run(["a", "b"], async () => undefined);
    assert.deepEqual([inFlight.has("a"), inFlight.has("b")], [true, false]);
    first.resolve();
    await running;
    assert.equal(inFlight.has("a"), false);
  });

  test("work that fails has ended too", async () => {
    const inFlight = new InFlight();
    await assert.rejects(
      inFlight.run("a", () => Promise.reject(new Error("no"))),
      /no/,
    );
    assert.equal(inFlight.has("a"), false);
  });

  test("settled() waits for all work, but not for ever", async () => {
    const inFlight = new InFlight();
    const work = Promise.withResolvers<void>();
    const running = inFlight.run(["a", "b"], () => work.promise);
    await inFlight.settled(1);
    assert.ok(inFlight.has("a"), "the time was over");
    const settled = inFlight.settled(10_000).then(() => inFlight.has("a"));
    work.resolve();
    await running;
    assert.equal(await settled, false);
  });
});
