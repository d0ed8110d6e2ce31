import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { linesOf } from "./lines.ts";

async function collect(chunks: readonly Uint8Array[], maxBytes = 1000): Promise<string[]> {
  const lines: string[] = [];
  const source = (async function* () {
    yield* chunks;
  })();
  for await (const line of linesOf(source, maxBytes)) lines.push(line.toString("latin1"));
  return lines;
}

test("linesOf() gives the same lines however the bytes are cut", async () => {
  const line = fc.stringMatching(/^[^\n]{0,20}$/).map((text) => text.replaceAll(/[^\x20-\x7e]/g, "?"));
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.array(fc.integer({ min: 1, max: 7 })), async (expected, sizes) => {
      const bytes = Buffer.from(`${expected.map((each) => `${each}\n`).join("")}rest`, "latin1");
      const chunks: Uint8Array[] = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const size = sizes[i % sizes.length] ?? bytes.length;
        chunks.push(bytes.subarray(at, at + size));
        at += size;
      }
      assert.deepEqual(await collect(chunks), expected);
    }),
  );
});

test("linesOf() does not collect a line without end", async () => {
  await assert.rejects(collect([Buffer.alloc(6, 97), Buffer.alloc(6, 97)], 10), /more than 10 bytes/);
  await assert.rejects(collect([Buffer.from(`${"a".repeat(11)}\n`)], 10), /more than 10 bytes/);
  assert.deepEqual(await collect([Buffer.from(`${"a".repeat(10)}\n`)], 10), ["a".repeat(10)]);
});
