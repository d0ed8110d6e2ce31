import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import { BuildProgress, Progress } from "./progress.ts";

function recorded(): { progress: Progress; lines: string[] } {
  const lines: string[] = [];
  return { progress: new Progress((line) => lines.push(line)), lines };
}

describe("Progress", () => {
  it("does not mention what is quick", async () => {
    const { progress, lines } = recorded();
    assert.equal(await progress.step("thinking", async () => 42), 42);
    assert.deepEqual(lines, []);
  });

  it("announces what takes over a second, and its time at the end", async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    const { progress, lines } = recorded();
    const { promise, resolve } = Promise.withResolvers<void>();
    const step = progress.step("booting", () => promise);
    mock.timers.tick(999);
    assert.deepEqual(lines, []);
    mock.timers.tick(1);
    assert.deepEqual(lines, ["wrenn: booting …\n"]);
    resolve();
    await step;
    mock.timers.reset();
    assert.match(lines[1] ?? "", /^wrenn: booting: \d+\.\d s\n$/);
  });
});

describe("BuildProgress", () => {
  it("says each change once, and the time of long steps", () => {
    const { progress, lines } = recorded();
    const build = new BuildProgress(progress);
    build.report([
      { name: "packages", status: "running" },
      { name: "disk", status: "pending" },
    ]);
    build.report([
      { name: "packages", status: "running" },
      { name: "disk", status: "pending" },
    ]);
    build.report([
      { name: "packages", status: "done", duration_ms: 61_200 },
      { name: "disk", status: "running" },
    ]);
    build.report([
      { name: "packages", status: "done", duration_ms: 61_200 },
      { name: "disk", status: "done", duration_ms: 90 },
    ]);
    assert.deepEqual(lines, ["wrenn: packages …\n", "wrenn: packages: 61.2 s\n", "wrenn: disk …\n"]);
  });
});
