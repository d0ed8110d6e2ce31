import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { hostIdOf, newHostId } from "./host-id.ts";

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "wrenn-host-id-"));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

describe("hostIdOf()", () => {
  it("stays, whatever block the host gets", async () => {
    const id = await hostIdOf(dataDir, 0);
    assert.equal(await hostIdOf(dataDir, 1), id);
    assert.equal(readFileSync(join(dataDir, "host-id"), "utf8"), `${id}\n`);
  });

  it("is another one in each directory", async () => {
    const id = await hostIdOf(dataDir, 0);
    rmSync(join(dataDir, "host-id"));
    assert.notEqual(await hostIdOf(dataDir, 0), id);
  });

  it("is what it was where sandboxes are that know it", async () => {
    mkdirSync(join(dataDir, "sandboxes", "sb-aaaaaaaaaaaaaaaa"), { recursive: true });
    assert.equal(await hostIdOf(dataDir, 3), `${hostname()}-3`);
    assert.equal(await hostIdOf(dataDir, 4), `${hostname()}-3`);
  });

  for (const text of ["", "\n", "a b", "a\tb", "a".repeat(301)])
    it(`is not guessed when the file holds ${JSON.stringify(text.slice(0, 10))}`, async () => {
      writeFileSync(join(dataDir, "host-id"), text);
      await assert.rejects(hostIdOf(dataDir, 0), { code: "internal", message: /host-id must hold/ });
      assert.equal(readFileSync(join(dataDir, "host-id"), "utf8"), text);
    });
});

describe("newHostId()", () => {
  for (const [name, expected] of [
    ["node-1.example", /^node-1\.example-[0-9a-f]{8}$/],
    ["(none)", /^none-[0-9a-f]{8}$/],
    ["_x", /^x-[0-9a-f]{8}$/],
    ["\u00e9t\u00e9", /^t-[0-9a-f]{8}$/],
    ["", /^host-[0-9a-f]{8}$/],
    ["a".repeat(100), /^a{64}-[0-9a-f]{8}$/],
  ] as const)
    it(`is made of the host name ${JSON.stringify(name.slice(0, 20))}`, () => {
      assert.match(newHostId(name), expected);
    });
});
