import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { crc32 } from "node:zlib";
import { MIB } from "@wrenn/core";
import { PAGE_BYTES, type PageMap, pageMap, segments } from "../mapping/page-map.ts";
import { fileSum, readThrough } from "./file-sum.ts";
import { type Piece, type ReadBuild, visitPages } from "./visit-pages.ts";

const dir = mkdtempSync(join(tmpdir(), "wrenn-visit-"));
after(() => rmSync(dir, { recursive: true }));

/** Of what is read at once. */
const PIECE_PAGES = MIB / PAGE_BYTES;
const PAGES = 2 * PIECE_PAGES + 300;

/** A file of which each page says what number it has. */
function numbered(name: string, pages: number): Buffer {
  const bytes = Buffer.alloc(pages * PAGE_BYTES);
  for (let page = 0; page < pages; page++)
    for (let at = 0; at < PAGE_BYTES; at += 4) bytes.writeUInt32LE(page + 1, page * PAGE_BYTES + at);
  writeFileSync(join(dir, name), bytes);
  return bytes;
}

const files = new Map(["a", "b"].map((name) => [name, numbered(name, PAGES)]));
const read: ReadBuild = async (build, look) => {
  await readThrough(join(dir, build), look);
};

/** What the map describes, page by page; what it says nothing about is 0xee. */
function described(map: PageMap): Buffer {
  const memory = Buffer.alloc(map.pages * PAGE_BYTES, 0xee);
  for (const { start, end, build, offset } of segments(map)) {
    const at = start * PAGE_BYTES;
    if (build === null) memory.fill(0, at, end * PAGE_BYTES);
    else files.get(build)?.copy(memory, at, offset * PAGE_BYTES, (offset + end - start) * PAGE_BYTES);
  }
  return memory;
}

async function visited(map: PageMap): Promise<{ memory: Buffer; pieces: number }> {
  const memory = Buffer.alloc(map.pages * PAGE_BYTES, 0xee);
  let pieces = 0;
  await visitPages(map, read, (piece: Piece) => {
    pieces += 1;
    if (piece.kind === "data") memory.set(piece.bytes, piece.offset);
    else memory.fill(0, piece.offset, piece.offset + piece.length);
  });
  return { memory, pieces };
}

describe("visitPages()", () => {
  it("visits what the map says, in pieces, and nothing else", async () => {
    const map = pageMap(3 * PAGES, [
      { start: 2, end: 2 + PAGES, build: "a", offset: 0 },
      { start: PAGES + 10, end: PAGES + 20, build: null, offset: 0 },
    ]);
    const { memory, pieces } = await visited(map);
    assert.ok(memory.equals(described(map)));
    assert.equal(pieces, 5);
  });

  it("finds the place of each range, whatever their order, and of pages that several have", async () => {
    const scattered = Array.from({ length: 400 }, (_, i) => ({
      start: i * 3,
      end: i * 3 + 1 + (i % 3),
      build: i % 5 === 0 ? null : i % 2 === 0 ? "a" : "b",
      offset: i % 5 === 0 ? 0 : (i * 7919) % (PAGES - 3),
    }));
    const across = { start: 1300, end: 1300 + 500, build: "b", offset: PIECE_PAGES - 150 };
    const map = pageMap(PAGES * 3, [...scattered, across]);
    assert.ok((await visited(map)).memory.equals(described(map)));
  });

  it("says so when a file ends before what its map refers to", async () => {
    for (const offset of [PAGES - 1, PAGES, PAGES + 5]) {
      const map = pageMap(10, [{ start: 0, end: 2, build: "a", offset }]);
      await assert.rejects(visited(map), { code: "internal" });
    }
  });
});

describe("readThrough()", () => {
  it("returns length and checksum of all that it has shown", async () => {
    const bytes = files.get("a") ?? Buffer.alloc(0);
    const shown: Buffer[] = [];
    const sum = await readThrough(join(dir, "a"), (piece, at) => {
      assert.equal(
        at,
        shown.reduce((all, { length }) => all + length, 0),
      );
      shown.push(Buffer.from(piece));
    });
    assert.deepEqual(sum, { bytes: bytes.length, crc32: crc32(bytes) });
    assert.deepEqual(await fileSum(join(dir, "a")), sum);
    assert.ok(Buffer.concat(shown).equals(bytes));
    writeFileSync(join(dir, "empty"), "");
    assert.deepEqual(await readThrough(join(dir, "empty"), () => {}), { bytes: 0, crc32: 0 });
  });

  it("stops when it is told to, or when whoever looks fails", async () => {
    await assert.rejects(
      readThrough(join(dir, "a"), () => {}, AbortSignal.abort()),
      { name: "AbortError" },
    );
    const look = () => {
      throw new Error("enough");
    };
    await assert.rejects(readThrough(join(dir, "a"), look), /enough/);
  });
});
