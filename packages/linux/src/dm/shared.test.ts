import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Shared } from "./shared.ts";

describe("Shared", () => {
  it("makes a thing for its first user and gives it back after its last, whatever the order", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 12 }),
        async (scheduler, keys) => {
          const present = new Map<string, number>();
          let made = 0;
          const shared = new Shared<number>({
            make: async (key) => {
              await scheduler.schedule(Promise.resolve(), `make ${key}`);
              assert.equal(present.has(key), false, "one at a time");
              present.set(key, ++made);
              return made;
            },
            giveBack: async (value, key) => {
              await scheduler.schedule(Promise.resolve(), `give back ${key}`);
              assert.equal(present.get(key), value);
              present.delete(key);
            },
          });
          const users = keys.map(async (key) => {
            await scheduler.schedule(Promise.resolve(), `arrive ${key}`);
            const value = await shared.acquire(key);
            assert.equal(present.get(key), value, "it is there while it is used");
            await scheduler.schedule(Promise.resolve(), `use ${key}`);
            assert.equal(present.get(key), value, "and stays");
            await shared.release(key);
          });
          await scheduler.waitFor(Promise.all(users));
          assert.equal(present.size, 0);
          assert.ok(made >= new Set(keys).size);
        },
      ),
    );
  });

  it("forgets what could not be made, and makes it for the next", async () => {
    let attempts = 0;
    const shared = new Shared<string>({
      make: async () => {
        if (++attempts === 1) throw new Error("no loop device is free");
        return "made";
      },
      giveBack: async () => undefined,
    });
    const [first, second] = await Promise.allSettled([shared.acquire("x"), shared.acquire("x")]);
    assert.equal(first.status, "rejected");
    assert.deepEqual(second, { status: "fulfilled", value: "made" });
    assert.equal(shared.users("x"), 1);
  });

  it("tells who could not give back, and lets the next one have a new one", async () => {
    let made = 0;
    const shared = new Shared<number>({
      make: async () => ++made,
      giveBack: async (value) => {
        if (value === 1) throw new Error("busy");
      },
    });
    await shared.acquire("x");
    await assert.rejects(shared.release("x"), /busy/);
    assert.equal(await shared.acquire("x"), 2);
    await shared.release("x");
  });

  it("refuses a release too many", async () => {
    const shared = new Shared<number>({ make: async () => 1, giveBack: async () => undefined });
    await assert.rejects(shared.release("x"), /more often/);
    await shared.acquire("x");
    await shared.release("x");
    await assert.rejects(shared.release("x"), /more often/);
  });
});
