import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { BuildTemplateResponse } from "@wrenn/rpc/hostagent";
import { BuildRecord } from "./build-record.ts";

type Event = BuildTemplateResponse["event"];

async function* events(...list: Event[]): AsyncGenerator<Event> {
  yield* list;
}

const step = (name: string, done: boolean): Event =>
  ({ case: "step", value: { name, done, millis: 7n } }) as Event;
const log = (value: string): Event => ({ case: "log", value }) as Event;

describe("BuildRecord", () => {
  test("collects steps and lines until the template is there", async () => {
    const record = new BuildRecord("t", "");
    const ready = {
      case: "ready",
      value: { name: "t", vcpus: 0, memoryMb: 0, sizeBytes: 9n, createdAtUnix: 1n },
    } as Event;
    const template = await record.follow(
      events(step("a", false), log("one"), step("a", true), step("b", false), log("two"), ready),
    );
    assert.deepEqual([template.name, template.sizeBytes, template.vcpus], ["t", 9, 1]);
    assert.deepEqual(record.view().steps, [
      { name: "a", status: "done", duration_ms: 7 },
      { name: "b", status: "running" },
    ]);
    assert.deepEqual(record.logFrom(0, 10), { log: ["one", "two"], next_offset: 2 });
    assert.deepEqual(record.logFrom(1, 10), { log: ["two"], next_offset: 2 });
    assert.deepEqual(record.logFrom(99, 10), { log: [], next_offset: 2 });
    record.end();
    assert.equal(record.view().status, "ready");
  });

  test("a build that ends without a template has failed", async () => {
    const record = new BuildRecord("t", "");
    await assert.rejects(record.follow(events(step("a", false))), /broke off/);
    record.end("no more disk");
    const { status, error, steps } = record.view();
    assert.deepEqual([status, error, steps[0]?.status], ["error", "no more disk", "error"]);
  });

  test("keeps the end of a long log, with offsets that go on, and cuts long lines", async () => {
    const record = new BuildRecord("t", "");
    const lines = Array.from({ length: 25_000 }, (_, i) => log(String(i)));
    await assert.rejects(record.follow(events(...lines, log("x".repeat(5_000)))));
    const first = record.logFrom(0, 1);
    assert.ok(Number(first.log[0]) > 0, "the first lines are gone");
    assert.equal(first.next_offset, Number(first.log[0]) + 1);
    const { log: last, next_offset } = record.logFrom(25_000, 10);
    assert.equal(next_offset, 25_001);
    assert.ok((last[0] as string).length < 2_100);
  });
});
