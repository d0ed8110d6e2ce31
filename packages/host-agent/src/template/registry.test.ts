import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { ImageStore } from "../image/image-store.ts";
import { type SnapshotTemplate, TemplateRegistry } from "./registry.ts";

const SAVED: SnapshotTemplate = {
  name: "saved",
  type: "snapshot",
  snapshot: "0".repeat(32),
  layers: [{ kind: "image", name: "1".repeat(64) }],
  vcpus: 1,
  memoryMb: 512,
  diskMb: 1024,
  sizeBytes: 0,
  createdAt: 0,
};

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "wrenn-registry-"));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

async function open(): Promise<TemplateRegistry> {
  return await TemplateRegistry.open(dataDir, await ImageStore.open(dataDir));
}

describe("a registry of templates", () => {
  it("knows after a restart what it was told, and nothing that it was told to forget", async () => {
    const registry = await open();
    await registry.set(SAVED);
    await registry.set({ ...SAVED, name: "other" });
    await registry.remove("other", "snapshot");
    assert.deepEqual((await open()).list(), [SAVED]);
  });

  it("opens without what cannot be read, says so, and removes what was never finished", async () => {
    await (await open()).set(SAVED);
    const dir = join(dataDir, "templates");
    writeFileSync(join(dir, "torn.json"), '{"name": "to');
    writeFileSync(join(dir, "moved.json"), JSON.stringify(SAVED));
    writeFileSync(join(dir, "saved.json.new"), "{");
    const registry = await open();
    assert.deepEqual(registry.list(), [SAVED]);
    assert.deepEqual(
      registry.damaged.map(({ path }) => path).sort(),
      ["moved.json", "torn.json"].map((name) => join(dir, name)),
    );
    assert.deepEqual(readdirSync(dir).sort(), ["moved.json", "saved.json", "torn.json"]);
  });
});
