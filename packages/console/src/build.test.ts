import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { buildConsole, type ConsoleFile } from "./index.ts";

describe("buildConsole()", () => {
  let files: ConsoleFile[];
  const text = (name: RegExp) => {
    const found = files.filter(({ path }) => name.test(path));
    assert.equal(found.length, 1, String(name));
    return found[0]?.content.toString() ?? "";
  };

  before(async () => {
    files = await buildConsole();
  });

  it("makes a page that names its files, and nothing elsewhere", () => {
    const page = text(/^\/test$/);
    const assets = files.filter(({ path }) => path !== "/test");
    assert.equal(assets.length, 3);
    for (const { path } of assets) {
      assert.match(path, /^\/test\/[a-z]+-[0-9a-f]{16}\.[a-z]+$/);
      assert.ok(page.includes(`"${path.slice(1)}"`), path);
    }
    assert.doesNotMatch(page, /[{}]|\/\/|style=|onclick|<script(?! type="module" src=")/);
  });

  it("needs no module of Node in the browser", () => {
    const script = text(/\.js$/);
    assert.ok(script.length > 10_000, `${script.length} bytes`);
    assert.doesNotMatch(script, /\bimport\s*["'({*]|\bfrom\s*["']|\brequire\(|node:/);
  });

  it("uses no way of reading text as markup or code", () => {
    const ways = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function/;
    assert.doesNotMatch(text(/\.js$/), ways);
  });

  it("asks no other machine for anything", () => {
    for (const { content } of files) {
      const elsewhere =
        content.toString().match(/(?:https?:)?\/\/[a-z][a-z0-9.-]+\.[a-z]{2,}[^\s"'`]*/gi) ?? [];
      assert.deepEqual(
        elsewhere.filter((address) => !address.startsWith("http://www.w3.org/2000/svg")),
        [],
      );
    }
  });

  it("gives the same names for the same sources", async () => {
    const again = await buildConsole();
    assert.deepEqual(
      again.map(({ path }) => path),
      files.map(({ path }) => path),
    );
  });
});
