import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

const repository = join(import.meta.dirname, "../..");

/** What would hand a string to a shell, or name one as the program to run on this machine. */
const SHELLS = [
  /\bimport\b[^;]*\b(exec|execSync)\b[^;]*from "node:child_process"/,
  /\bshell:\s*(true|")/,
  /\b(spawn|spawnSync|execFile|execFileSync|run)\(\s*\[?\s*"(\/bin\/)?(sh|bash|dash)"/,
];

describe("sources", () => {
  const files = globSync("packages/*/src/**/*.ts", { cwd: repository }).filter(
    (file) => !/\.test\.ts$/.test(file),
  );

  it("start no shell", () => {
    assert.ok(files.length > 100, `found ${files.length} sources`);
    const guilty = files.filter((file) => {
      const text = readFileSync(join(repository, file), "utf8");
      return SHELLS.some((pattern) => pattern.test(text));
    });
    assert.deepEqual(guilty, []);
  });

  it("would be found if they did", () => {
    for (const text of [
      'import { exec } from "node:child_process";',
      'spawn("x", [], { shell: true })',
      'run(["sh", "-c", name])',
    ]) {
      assert.ok(
        SHELLS.some((pattern) => pattern.test(text)),
        text,
      );
    }
  });
});
