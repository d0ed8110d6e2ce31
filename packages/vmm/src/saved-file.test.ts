import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { carryOut } from "./saved-file.ts";

const dir = mkdtempSync(join(tmpdir(), "wrenn-saved-"));
after(() => rmSync(dir, { recursive: true }));

describe("carryOut()", () => {
  const from = join(dir, "inside");
  const options = { from, vmm: "a VMM", start: "STATE" };

  it("makes a private file of what was written, and takes the original away", async () => {
    writeFileSync(from, "STATE and more", { mode: 0o666 });
    const to = join(dir, "carried");
    await carryOut({ ...options, to });
    assert.equal(readFileSync(to, "utf8"), "STATE and more");
    assert.equal(statSync(to).mode & 0o777, 0o600);
    assert.equal(existsSync(from), false);
    writeFileSync(from, "STATE again");
    await assert.rejects(carryOut({ ...options, to }), { code: "already_exists" });
    assert.equal(readFileSync(to, "utf8"), "STATE and more");
  });

  it("takes no link, no pipe, nothing that is too large, empty or something else", async () => {
    const to = join(dir, "never");
    const secret = join(dir, "secret");
    writeFileSync(secret, "STATE of somebody else's");
    const places: (() => void)[] = [
      () => symlinkSync(secret, from),
      () => spawnSync("mkfifo", [from]),
      () => writeFileSync(from, Buffer.alloc(16 * 1024 * 1024 + 1, "STATE")),
      () => writeFileSync(from, ""),
      () => writeFileSync(from, "other"),
      () => {},
    ];
    for (const place of places) {
      rmSync(from, { force: true });
      place();
      await assert.rejects(carryOut({ ...options, to }), { code: "internal" });
      assert.equal(existsSync(to), false);
    }
  });
});
