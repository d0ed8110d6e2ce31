import assert from "node:assert/strict";
import { it } from "node:test";
import { ServerClock } from "./server-clock.ts";

it("goes by the service's clock when the reader's is off, and by the reader's otherwise", () => {
  const clock = new ServerClock();
  const offset = () => Math.round((clock.now() - Date.now()) / 1000);
  const noon = Date.parse("2026-11-26T12:00:00Z");
  const answer = new Headers({ date: "Thu, 26 Nov 2026 12:00:00 GMT" });
  assert.equal(offset(), 0);
  clock.hear(answer, noon - 300_000);
  assert.equal(offset(), 300);
  clock.hear(new Headers(), noon);
  clock.hear(new Headers({ date: "yesterday" }), noon);
  assert.equal(offset(), 300, "an answer that says nothing changes nothing");
  clock.hear(answer, noon + 60_000);
  assert.equal(offset(), -60);
  clock.hear(answer, noon + 1_500);
  assert.equal(offset(), 0);
});
