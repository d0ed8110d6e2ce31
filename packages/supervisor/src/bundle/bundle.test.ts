import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { run } from "@wrenn/linux";
import { bundleDirectory } from "../code-cache.ts";
import { SOURCE_ROOT } from "../layout.ts";
import { bundle } from "./bundle.ts";
import { Program } from "./program.ts";

let root: string;
let cacheDir: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "wrenn-bundle-"));
  cacheDir = join(root, "cache");
  write(
    "packages/some/src/main.ts",
    `import { place } from "./other.ts"; console.log(place satisfies string);`,
  );
  write("packages/some/src/other.ts", "export const place: string = import.meta.dirname;");
});
afterEach(() => rmSync(root, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), text);
}

const output = async (file: string) => (await run([process.execPath, file], { timeoutMs: 30_000 })).stdout;

describe("bundle()", () => {
  const entry = "packages/some/src/main.ts";
  const bundled = async (place?: string) => {
    const outfile = join(root, "elsewhere/out.mjs");
    await bundle({ root, entry, outfile, ...(place !== undefined && { place }) });
    return await output(outfile);
  };

  test("has each module find itself where it was, or where the tree will be", async () => {
    assert.equal(await bundled(), `${join(root, "packages/some/src")}\n`);
    assert.equal(await bundled("/opt/it's"), "/opt/it's/packages/some/src\n");
  });

  test("holds modules of both kinds, each with its place, and keeps the names of classes", async () => {
    write("node_modules/old/package.json", `{"name": "old", "main": "lib/old.cjs"}`);
    write("node_modules/old/lib/old.cjs", "exports.where = () => [__dirname, __filename];");
    write(
      "packages/some/src/main.ts",
      `import { where } from "old"; class Own { static of = () => new Own(); }
       { class Own {} console.log(new Own().constructor.name); }
       console.log(...where(), Own.of().constructor.name);`,
    );
    const lib = join(root, "node_modules/old/lib");
    assert.equal(await bundled(), `Own\n${lib} ${lib}/old.cjs Own\n`);
  });

  test("leaves compiled parts outside, and finds them wherever it lies", async () => {
    write("node_modules/koffi/package.json", `{"name": "koffi", "main": "index.js"}`);
    write("node_modules/koffi/index.js", "module.exports = { at: __dirname };");
    write("packages/some/src/main.ts", `import koffi from "koffi"; console.log(koffi.at);`);
    assert.equal(await bundled(), `${join(root, "node_modules/koffi")}\n`);
  });

  test("says what is wrong with a source", async () => {
    write("packages/some/src/other.ts", `export { place } from "./absent.ts";`);
    await assert.rejects(bundle({ root, entry, outfile: join(root, "out.mjs") }), /absent\.ts/);
  });
});

describe("Program", () => {
  const program = () => new Program({ sourceRoot: root, cacheDir, name: "some" });

  test("is its bundle, which everybody can read, once it is prepared", async () => {
    const some = program();
    assert.equal(some.main, some.source);
    await some.prepare();
    assert.equal(join(some.main, ".."), bundleDirectory(cacheDir));
    assert.equal(statSync(some.main).mode & 0o777, 0o644);
    assert.equal(await output(some.main), `${join(root, "packages/some/src")}\n`);
  });

  test("can be read by others also when it was made under a strict umask", async () => {
    const former = process.umask(0o077);
    try {
      const some = program();
      await some.prepare();
      assert.equal(statSync(some.main).mode & 0o777, 0o644);
      assert.equal(statSync(bundleDirectory(cacheDir)).mode & 0o777, 0o755);
    } finally {
      process.umask(former);
    }
  });

  test("is bundled anew when a source has changed", async () => {
    await program().prepare();
    write("packages/some/src/other.ts", `export const place: string = "another";`);
    const some = program();
    await some.prepare();
    assert.equal(await output(some.main), "another\n");
  });

  test("is its sources where it cannot be bundled, and where the bundle has gone", async () => {
    const some = program();
    await some.prepare();
    rmSync(some.main);
    assert.equal(some.main, some.source);
    write("packages/some/src/other.ts", "export const place: string = ;");
    const broken = program();
    await broken.prepare();
    assert.equal(broken.main, broken.source);
  });

  test("two trees in one cache have two bundles", async () => {
    const other = new Program({ sourceRoot: SOURCE_ROOT, cacheDir, name: "some" });
    const own = program();
    await own.prepare();
    assert.notEqual(own.main, other.main);
    await other.prepare();
    assert.equal(other.main, other.source, "that tree has no such package");
  });
});
