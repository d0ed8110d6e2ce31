import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, open, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { printable, readConsoleTail, trimConsole } from "./console.ts";

describe("console", () => {
  let dir = "";
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "wrenn-console-"));
  });
  after(() => rm(dir, { recursive: true }));

  it("gives the last 4 KiB", async () => {
    const path = join(dir, "long");
    await writeFile(path, `${"x".repeat(10_000)}end`);
    const tail = await readConsoleTail(path);
    assert.equal(tail.length, 4096);
    assert.match(tail, /end$/);
  });

  it("is empty where there is none, where the name is a link, and where it is a pipe", async () => {
    assert.equal(await readConsoleTail(join(dir, "absent")), "");
    const secret = join(dir, "secret");
    await writeFile(secret, "secret");
    await symlink(secret, join(dir, "link"));
    assert.equal(await readConsoleTail(join(dir, "link")), "");
    assert.equal(await trimConsole(join(dir, "link"), 0), false);
    assert.equal(await readFile(secret, "utf8"), "secret");
    execFileSync("mkfifo", [join(dir, "pipe")]);
    assert.equal(await readConsoleTail(join(dir, "pipe")), "");
  });

  it("trimming keeps an appending writer in step", async () => {
    const path = join(dir, "bounded");
    await using writer = await open(path, "a");
    await writer.write("y".repeat(100));
    assert.equal(await trimConsole(path, 1000), false);
    assert.equal(await trimConsole(path, 99), true);
    await writer.write("after");
    assert.equal(await readFile(path, "utf8"), "after");
  });

  it("lets no control sequence through to a terminal", () => {
    assert.equal(printable("\u001b[31mred\u001b[0m\u0007\r\nnext\u009b2J"), "red\nnext2J");
  });
});
