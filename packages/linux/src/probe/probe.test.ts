import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { run } from "../run/run.ts";
import { probeDeviceMapper, probeHost, probeReflink } from "./probe.ts";

describe("probeHost()", () => {
  it("gives a remedy exactly where something is missing, and leaves no trace", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "wrenn-probe-"));
    try {
      const results = await probeHost({ dataDir });
      assert.equal(results.length, 7);
      for (const result of results) assert.equal(result.remedy === undefined, result.ok, result.name);
      for (const result of results.filter((one) => one.required))
        assert.ok(result.ok, JSON.stringify(result));
      assert.deepEqual(readdirSync(dataDir), []);
      const tables = await run(["nft", "list", "tables"], { timeoutMs: 5000 });
      assert.equal(tables.stdout.includes("probe"), false);
    } finally {
      rmSync(dataDir, { recursive: true });
    }
  });

  it("agrees with the kernel's own list about device mapper", () => {
    assert.equal(probeDeviceMapper().ok, readFileSync("/proc/misc", "utf8").includes("device-mapper"));
  });

  it("reports a file system that cannot clone, and a directory that is not there", () => {
    const memory = probeReflink("/dev/shm");
    assert.equal(memory.ok, false);
    assert.match(memory.detail, /ENOTSUP|EOPNOTSUPP|EXDEV|ENOTTY|EINVAL/);
    assert.equal(probeReflink("/does/not/exist").detail, "ENOENT");
  });
});
