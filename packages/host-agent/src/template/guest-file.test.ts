import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { readGuestFile } from "./guest-file.ts";

describe("readGuestFile()", () => {
  const hash = "0123456789abcdef".repeat(4);
  const whole = {
    kernel: "/k",
    kernelVersion: "6.1.0",
    initramfs: "/i",
    agentDrive: "/a",
    hashes: { kernel: hash, initramfs: hash, agentDrive: hash },
  };
  let dir = "";
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "wrenn-guest-file-"));
  });
  after(() => rm(dir, { recursive: true }));

  const read = async (content: unknown) => {
    const path = join(dir, "guest.json");
    await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
    return await readGuestFile(path);
  };

  it("reads a whole description", async () => {
    assert.deepEqual(await read(whole), whole);
  });

  it("refuses everything else", async () => {
    const { kernel: _, ...partial } = whole;
    const wrong = ["", "{", null, 1, [], {}, partial, { ...whole, initramfs: "" }];
    const hashes = [{}, { ...whole.hashes, kernel: "abc" }, null];
    for (const content of [...wrong, ...hashes.map((each) => ({ ...whole, hashes: each }))]) {
      await assert.rejects(read(content), { code: "invalid_argument" }, JSON.stringify(content));
    }
    await assert.rejects(readGuestFile(join(dir, "absent")), { code: "invalid_argument" });
  });
});
