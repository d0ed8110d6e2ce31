import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { RotatingLog, tailOf } from "./rotating-log.ts";

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), "wrenn-log-"));
});
after(() => rmSync(directory, { recursive: true }));

describe("a rotating log", () => {
  it("keeps the newest within its bound, in order", () => {
    const path = join(directory, "bounded.log");
    const log = new RotatingLog(path, { maxBytes: 100, keep: 2 });
    for (let line = 0; line < 100; line++) log.write(`line ${String(line).padStart(4, "0")}\n`);
    log.close();
    const files = [`${path}.2`, `${path}.1`, path];
    for (const file of files) assert.ok(statSync(file).size <= 100, file);
    assert.equal(existsSync(`${path}.3`), false);
    const kept = files.map((file) => readFileSync(file, "utf8")).join("");
    const lines = kept.trimEnd().split("\n");
    assert.equal(lines.at(-1), "line 0099");
    assert.deepEqual(lines, lines.toSorted());
    assert.ok(lines.length >= 20);
  });

  it("counts what was there before", () => {
    const path = join(directory, "again.log");
    const first = new RotatingLog(path, { maxBytes: 10 });
    first.write("12345678");
    first.close();
    const second = new RotatingLog(path, { maxBytes: 10 });
    second.write("90123");
    second.close();
    assert.equal(readFileSync(`${path}.1`, "utf8"), "12345678");
    assert.equal(readFileSync(path, "utf8"), "90123");
  });

  it("survives a disk that takes no more", () => {
    const log = new RotatingLog("/dev/full");
    log.write("lost\n");
    log.write("lost too\n");
    log.close();
  });

  it("gives the last lines of a file, also of a long one", () => {
    const path = join(directory, "tail.log");
    const log = new RotatingLog(path, { maxBytes: 10_000_000 });
    for (let line = 0; line < 20_000; line++) log.write(`line ${line}\n`);
    log.close();
    assert.equal(tailOf(path, 2), "line 19998\nline 19999");
    assert.equal(tailOf(join(directory, "absent"), 2), "");
    assert.equal(tailOf("/dev/null", 2), "");
  });
});
