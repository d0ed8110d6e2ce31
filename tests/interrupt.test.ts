import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { until } from "@wrenn/linux";
import { childrenOf } from "./children.ts";

let dir = "";
before(() => {
  dir = mkdtempSync(join(tmpdir(), "wrenn-interrupt-"));
});
after(() => rmSync(dir, { recursive: true }));

/** A test file that says when it runs, and takes a while to end when it is told to. */
function file(name: string): string {
  const path = join(dir, `${name}.test.mjs`);
  const mark = (what: string) => `writeFileSync(${JSON.stringify(join(dir, `${name}-${what}`))}, "");`;
  writeFileSync(
    path,
    `import { writeFileSync } from "node:fs";
import { it } from "node:test";
process.on("SIGTERM", () => setTimeout(() => { ${mark("ended")} process.exit(143); }, 300));
it("runs", async () => { ${mark("runs")} await new Promise((resolve) => setTimeout(resolve, 60_000)); });
`,
  );
  return path;
}

it("a signal ends all files that run; the runner stays until they have, tells no more, and begins no other", async () => {
  const files = [file("one"), file("two"), file("three")];
  const runner = join(dir, "runner.mjs");
  const of = (name: string) => JSON.stringify(join(import.meta.dirname, name));
  writeFileSync(
    runner,
    `import { run } from "node:test";
import { interruptible } from ${of("interrupt.ts")};
import { report } from ${of("report.ts")};
const files = ${JSON.stringify(files)};
const outcome = await interruptible((signal) =>
  report(run({ files, concurrency: 2, isolation: "process", signal }), [], process.stdout, signal));
console.log(JSON.stringify(outcome.interrupted));
`,
  );
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(process.execPath, [runner], { env, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  const closed = once(child, "close");
  const has = (name: string) => existsSync(join(dir, name));
  assert.ok(await until(() => has("one-runs") && has("two-runs"), { timeoutMs: 30_000 }));
  assert.equal(childrenOf(child.pid ?? 0).length, 2);
  child.kill("SIGTERM");
  const [status] = await closed;
  assert.deepEqual([status, text], [0, "true\n"]);
  assert.deepEqual([has("one-ended"), has("two-ended"), has("three-runs")], [true, true, false]);
});

it("what has ended is no child any more", async () => {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  await once(child, "spawn");
  assert.ok(childrenOf(process.pid).includes(child.pid ?? 0));
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
  assert.ok(!childrenOf(process.pid).includes(child.pid ?? 0));
});
