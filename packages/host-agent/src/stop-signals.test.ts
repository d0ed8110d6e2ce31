import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { it } from "node:test";

it("a host agent that stops is not ended by more signals", async () => {
  const child = spawn(
    process.execPath,
    [
      "--input-type=module-typescript",
      "-e",
      `import { onFirstSignal } from ${JSON.stringify(join(import.meta.dirname, "stop-signals.ts"))};
       onFirstSignal(process, async (signal) => {
         console.log("stopping for " + signal);
         setTimeout(() => process.exit(0), 500);
       });
       setInterval(() => {}, 1000);
       console.log("ready");`,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, "ready");
  child.kill("SIGTERM");
  assert.equal((await lines.next()).value, "stopping for SIGTERM");
  const ended = once(child, "exit");
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) child.kill(signal);
  assert.deepEqual(await ended, [0, null]);
  assert.equal((await lines.next()).done, true);
});
