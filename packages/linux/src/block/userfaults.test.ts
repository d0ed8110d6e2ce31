import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { allowUserfaults, mayUseUserfaults, withdrawUserfaults } from "./userfaults.ts";

const runDir = mkdtempSync(join(tmpdir(), "wrenn-userfaults-"));
after(() => rmSync(runDir, { recursive: true }));
const setting = () => readFileSync("/proc/sys/vm/unprivileged_userfaultfd", "latin1").trim();

describe("allowUserfaults()", () => {
  it("holds until the last instance that needs it has gone, and puts back what was", async () => {
    const host = { runDir };
    const before = setting();
    await withdrawUserfaults(1, host);
    await allowUserfaults(1, host);
    await allowUserfaults(1, host);
    await allowUserfaults(2, host);
    assert.equal(mayUseUserfaults(), true);
    await withdrawUserfaults(1, host);
    assert.equal(mayUseUserfaults(), true);
    await withdrawUserfaults(2, host);
    assert.equal(setting(), before);
    assert.equal(existsSync(join(runDir, "userfaults.json")), false);
    await withdrawUserfaults(2, host);
    assert.equal(setting(), before);
  });
});
