import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { pino } from "pino";
import { ImageStore } from "../image/image-store.ts";
import type { HostContext } from "../sandbox/context.ts";
import { type BaseTemplate, TemplateRegistry } from "./registry.ts";
import { shapeKey, WarmTemplates } from "./warm.ts";

const dataDir = mkdtempSync(join(tmpdir(), "wrenn-warm-"));
after(() => rmSync(dataDir, { recursive: true }));

const SHAPE = { vcpus: 1, memoryMb: 512, diskMb: 1024 };
const OTHER = { ...SHAPE, memoryMb: 256 };
const TEMPLATE: BaseTemplate = {
  name: "minimal",
  type: "base",
  rootfs: "1".repeat(64),
  defaultDisk: "2".repeat(64),
  sizeBytes: 0,
  minDiskMb: 100,
  createdAt: 0,
  warm: { [shapeKey(SHAPE)]: "3".repeat(32), [shapeKey(OTHER)]: "4".repeat(32) },
};

describe("WarmTemplates", () => {
  it("forgets the copy of one shape for good, and none of a template that was replaced meanwhile", async () => {
    const images = await ImageStore.open(dataDir);
    const registry = await TemplateRegistry.open(dataDir, images);
    await registry.set(TEMPLATE);
    let collections = 0;
    const storage = {
      collect: () => {
        collections += 1;
      },
    };
    const context = { storage } as unknown as HostContext;
    const warm = new WarmTemplates({ context, registry, log: pino({ level: "silent" }) });
    const left = { ...TEMPLATE, warm: { [shapeKey(OTHER)]: "4".repeat(32) } };
    assert.deepEqual(await warm.forget(TEMPLATE, SHAPE), left);
    assert.deepEqual((await TemplateRegistry.open(dataDir, images)).list(), [left]);
    assert.equal(collections, 1);

    const newer = { ...TEMPLATE, rootfs: "5".repeat(64) };
    await registry.set(newer);
    assert.equal(await warm.forget(TEMPLATE, SHAPE), TEMPLATE);
    assert.deepEqual(registry.list(), [newer]);
  });
});
