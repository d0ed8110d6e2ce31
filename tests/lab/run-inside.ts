// Running a test file inside the lab: for what only its kernel has.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { bundle } from "@wrenn/supervisor/bundle";
import { LabGuest } from "../../lab/guest/lab-guest.ts";
import { INSIDE, REPOSITORY } from "../../lab/layout.ts";
import { labOfSuite } from "./platform.ts";

const TIMEOUT_SEC = 300;

/**
 * Bundles `file` (path in the repository), runs it in the lab with Node's test runner, and fails with its output when a
 * test in it fails or none is there. `files`: further ones that it finds in `INSIDE.tests`, by name. `only`: a regular
 * expression for the names of the tests that run; all without it.
 */
export async function runInside(
  context: TestContext,
  file: string,
  { files = {}, only }: { files?: Record<string, string>; only?: string | undefined } = {},
): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), "wrenn-inside-"));
  try {
    const bundled = join(scratch, "test.mjs");
    await bundle({ root: REPOSITORY, place: INSIDE.code, entry: file, outfile: bundled });
    using guest = new LabGuest(await labOfSuite());
    const target = `${INSIDE.tests}/${file.replaceAll("/", "-").replace(/\.ts$/, ".mjs")}`;
    await guest.run(["mkdir", "-p", INSIDE.tests]);
    for (const [name, path] of Object.entries(files))
      await guest.write(`${INSIDE.tests}/${name}`, await readFile(path));
    // Packages that no bundle holds are found from here as well.
    await guest.run(["ln", "-sfn", `${INSIDE.code}/node_modules`, `${INSIDE.store}/node_modules`]);
    await guest.write(target, await readFile(bundled));
    const names = only === undefined ? [] : [`--test-name-pattern=${only}`];
    const result = await guest.attempt([INSIDE.node, "--test-reporter=spec", ...names, target], {
      timeoutSec: TIMEOUT_SEC,
    });
    const output = `${result.stdout}${result.stderr}`;
    for (const line of output.split("\n").filter((each) => /[✔✖]/.test(each))) context.diagnostic(line);
    const passed = Number(/^ℹ pass (\d+)$/m.exec(output)?.[1]);
    assert.ok(result.exitCode === 0 && passed > 0, `${file} failed in the lab:\n${output}`);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
