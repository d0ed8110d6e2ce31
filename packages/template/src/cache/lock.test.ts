import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { acquireLock } from "./lock.ts";

describe("acquireLock()", { timeout: 60_000 }, () => {
  let path = "";
  beforeEach(async () => {
    path = join(await mkdtemp(join(tmpdir(), "lock-")), "sub", "lock");
  });
  afterEach(() => rm(join(path, "../.."), { recursive: true }));

  const unlock = (lock: AsyncDisposable) => lock[Symbol.asyncDispose]();
  const assertFree = async () => unlock(await acquireLock(path, AbortSignal.timeout(20_000)));
  const assertHeld = () =>
    assert.rejects(acquireLock(path, AbortSignal.timeout(200)), { name: "TimeoutError" });

  it("has one holder at a time, in turn", async () => {
    let holders = 0;
    const turns = Array.from({ length: 5 }, async () => {
      await using _lock = await acquireLock(path);
      assert.equal(++holders, 1);
      await new Promise((resolve) => setImmediate(resolve));
      holders--;
    });
    await Promise.all(turns);
    await assertFree();
  });

  it("is free again when its holder is killed", async () => {
    const script = `import { acquireLock } from ${JSON.stringify(new URL("./lock.ts", import.meta.url).href)};
      await acquireLock(${JSON.stringify(path)}); console.log("held"); setInterval(() => {}, 1000);`;
    const holder = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(holder.stdout, "data");
    await assertHeld();
    holder.kill("SIGKILL");
    await once(holder, "exit");
    await assertFree();
  });

  it("gives up when its signal fires, and leaves nothing behind", async () => {
    const lock = await acquireLock(path);
    const reason = new Error("no longer wanted");
    const controller = new AbortController();
    const waiting = acquireLock(path, controller.signal);
    controller.abort(reason);
    await assert.rejects(waiting, reason);
    await assert.rejects(acquireLock(path, controller.signal), reason);
    await unlock(lock);
    await assertFree();
  });

  it("says which file cannot be locked", async () => {
    await assert.rejects(acquireLock("/proc/self/no-such-lock"), {
      code: "internal",
      message: /no-such-lock/,
    });
  });
});
