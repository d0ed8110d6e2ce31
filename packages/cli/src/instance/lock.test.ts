import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { describe, it } from "node:test";
import { withLock } from "./lock.ts";

describe("withLock()", () => {
  it("lets one in at a time, and everybody in the end", async () => {
    const name = randomUUID();
    let inside = 0;
    let done = 0;
    await Promise.all(
      Array.from({ length: 10 }, () =>
        withLock(name, async () => {
          inside += 1;
          assert.equal(inside, 1);
          await new Promise(setImmediate);
          inside -= 1;
          done += 1;
        }),
      ),
    );
    assert.equal(done, 10);
  });

  it("is given back when the work fails", async () => {
    const name = randomUUID();
    await assert.rejects(
      withLock(name, async () => {
        throw new Error("no");
      }),
      /no/,
    );
    assert.equal(await withLock(name, async () => 1), 1);
  });

  it("is given back when its holder is killed", async () => {
    const name = randomUUID();
    const script = `import { withLock } from ${JSON.stringify(join(import.meta.dirname, "lock.ts"))};
      await withLock(${JSON.stringify(name)}, () => new Promise(() => console.log("held")));`;
    const holder = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(holder.stdout, "data");
    const entered = withLock(name, async () => holder.signalCode ?? holder.killed);
    holder.kill("SIGKILL");
    assert.ok(await entered);
  });

  it("is not waited for longer than the signal says", async () => {
    const name = randomUUID();
    await withLock(name, async () => {
      const waiting = withLock(name, async () => assert.fail("must not enter"), AbortSignal.timeout(20));
      await assert.rejects(waiting, { name: "TimeoutError" });
    });
  });
});
