import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { run } from "@wrenn/linux";
import { LOAD_ONLY } from "./code-cache.ts";
import { compileSources } from "./compile.ts";
import { SOURCE_ROOT } from "./layout.ts";

describe("compileSources()", () => {
  let root: string;
  let codeCache: string;
  /** A line for each time that the sources were compiled. */
  let compiled: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "wrenn-compile-"));
    codeCache = join(root, "code");
    compiled = join(root, "compiled");
    mkdirSync(join(root, "packages/some/src"), { recursive: true });
    writeFileSync(join(root, "packages/some/src/main.ts"), "export {};\n");
    writeFileSync(compiled, "");
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const compile = (program: string) =>
    compileSources({
      sourceRoot: root,
      filled: `${codeCache}.sources`,
      command: [
        process.execPath,
        "-e",
        `${program}; fs.appendFileSync(${JSON.stringify(compiled)}, "once\\n")`,
      ],
    });
  const times = () => readFileSync(compiled, "utf8").split("\n").length - 1;

  test("compiles the same sources once", async () => {
    await compile("0");
    await compile("0");
    assert.equal(times(), 1);
  });

  test("compiles them again when one has changed, come or gone, and with another command or other packages", async () => {
    const main = join(root, "packages/some/src/main.ts");
    await compile("0");
    utimesSync(main, 1, 1);
    await compile("0");
    assert.equal(times(), 2);
    writeFileSync(join(root, "packages/some/src/other.ts"), "");
    await compile("0");
    assert.equal(times(), 3);
    rmSync(join(root, "packages/some/src/other.ts"));
    await compile("0");
    assert.equal(times(), 4);
    await compile("1");
    assert.equal(times(), 5);
    writeFileSync(join(root, "package-lock.json"), "{}");
    await compile("1");
    assert.equal(times(), 6);
  });

  test("does not count what failed as compiled, and does not fail by it", async () => {
    assert.equal(await compile("process.exit(1)"), false);
    assert.equal(
      await compileSources({ sourceRoot: root, filled: `${codeCache}.sources`, command: ["/not/there"] }),
      false,
    );
    assert.equal(await compile("0"), true);
    assert.equal(times(), 1);
  });
});

describe(LOAD_ONLY, () => {
  for (const program of ["host-agent", "control-plane", "supervisor"]) {
    test(`has all of the ${program} compiled, and starts nothing`, async () => {
      const cache = mkdtempSync(join(tmpdir(), "wrenn-load-only-"));
      const main = join(SOURCE_ROOT, "packages", program, "src/main.ts");
      const env = { PATH: process.env["PATH"] ?? "", NODE_COMPILE_CACHE: cache };
      const load = () => run([process.execPath, main, LOAD_ONLY], { env, timeoutMs: 60_000 });
      const compiled = () => readdirSync(cache, { recursive: true }).length;
      try {
        assert.deepEqual(await load(), { stdout: "", stderr: "" });
        const first = compiled();
        assert.ok(first > 100, `${first} files`);
        await load();
        assert.equal(compiled(), first);
      } finally {
        rmSync(cache, { recursive: true });
      }
    });
  }
});
