import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { answer, testService } from "./test-service.ts";

const started_at = "2026-11-23T20:09:00.000Z";
const steps = [{ name: "install packages", status: "running" }];

describe("templates.waitForBuild()", () => {
  it("reports every log line once and ends when the build is ready", async () => {
    const all = ["one", "two", "three"];
    let calls = 0;
    await using service = await testService({
      http: (request, response) => {
        calls += 1;
        const offset = Number(new URL(request.url ?? "", "http://x").searchParams.get("offset"));
        const log = all.slice(offset, offset + 2);
        const status = calls > 2 ? "ready" : "building";
        answer(response, 200, {
          name: "t",
          status,
          steps,
          started_at,
          log,
          next_offset: offset + log.length,
        });
      },
    });
    const lines: string[] = [];
    const build = await service.client().templates.waitForBuild("t", {
      onProgress: ({ log }) => lines.push(...log),
    });
    assert.deepEqual(lines, all);
    assert.deepEqual(build, { name: "t", status: "ready", steps, started_at });
  });

  it("throws what the build failed with", async () => {
    await using service = await testService({
      http: (_request, response) =>
        answer(response, 200, {
          name: "t",
          status: "error",
          error: "no disk",
          steps,
          started_at,
          log: [],
          next_offset: 0,
        }),
    });
    await assert.rejects(
      service.client().templates.waitForBuild("t"),
      /building the template t failed: no disk/,
    );
  });
});
