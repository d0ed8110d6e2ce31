import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { OutputHub } from "./output-hub.ts";

const MINUTE = 60_000;
const delivery = (event: string, bytes = 1) => ({ event, bytes });

test("every subscriber gets every event from its subscription on, in order, then the last one", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string(), { maxLength: 30 }),
      fc.nat({ max: 30 }),
      async (events, joinAt) => {
        const hub = new OutputHub<string>(MINUTE);
        const early = hub.subscribe();
        let late = joinAt === 0 ? hub.subscribe() : undefined;
        for (const [i, event] of events.entries()) {
          await hub.publish([delivery(event)]);
          if (i + 1 === joinAt) late = hub.subscribe();
        }
        hub.end("end");
        const read = async (subscription = hub.subscribe()) => {
          const seen: string[] = [];
          for (let event = await subscription.next(); event !== undefined; event = await subscription.next())
            seen.push(event);
          return seen;
        };
        assert.deepEqual(await read(early), [...events, "end"]);
        if (late) assert.deepEqual(await read(late), [...events.slice(joinAt), "end"]);
        assert.deepEqual(await read(), ["end"]);
      },
    ),
  );
});

test("publish() waits for the slowest subscriber, and not for one that has left", async () => {
  const hub = new OutputHub<string>(MINUTE);
  const slow = hub.subscribe();
  const leaving = hub.subscribe();
  let published = false;
  const publishing = hub.publish([delivery("big", 1e6)]).then(() => {
    published = true;
  });
  await new Promise(setImmediate);
  assert.equal(published, false);
  await slow.next();
  await new Promise(setImmediate);
  assert.equal(published, false);
  leaving.close();
  await publishing;
  assert.equal(hub.watched, true);
  slow.close();
  assert.equal(hub.watched, false);
  await hub.publish([delivery("dropped", 1e9)]);
});

test("a subscriber that takes nothing is cut off with an error", async () => {
  const hub = new OutputHub<string>(20);
  const stalled = hub.subscribe();
  let cut = false;
  stalled.onCutOff = () => {
    cut = true;
  };
  await hub.publish([delivery("big", 1e6)]);
  assert.equal(cut, true);
  await assert.rejects(stalled.next(), { code: "deadline_exceeded" });
  assert.equal(hub.watched, false);
});
