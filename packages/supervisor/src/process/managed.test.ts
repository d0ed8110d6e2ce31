import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { until } from "@wrenn/linux";
import { RotatingLog } from "../rotating-log.ts";
import { ManagedProcess } from "./managed.ts";

let directory: string;
let log: RotatingLog;
let said: string[];
let managed: ManagedProcess;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "wrenn-managed-"));
  log = new RotatingLog(join(directory, "log"));
  said = [];
});
afterEach(async () => {
  await managed.stop({ signal: "SIGKILL", patienceMs: 1_000 });
  log.close();
  rmSync(directory, { recursive: true });
});

function manage(command: () => readonly string[]): ManagedProcess {
  const env = { PATH: process.env["PATH"] };
  managed = new ManagedProcess({
    name: "it",
    log,
    env,
    command,
    reportsPid: false,
    say: (line) => said.push(line),
  });
  return managed;
}

/** Says in the log that it has begun, once it takes signals. */
function shell(script: string): readonly string[] {
  return ["sh", "-c", script.replace("READY", "echo begun")];
}

function begun(): number {
  return readFileSync(log.path, "utf8").split("begun").length - 1;
}

async function untilBegun(times: number): Promise<void> {
  assert.ok(await until(() => begun() >= times, { timeoutMs: 10_000 }), readFileSync(log.path, "utf8"));
}

describe("a process that cannot be started again", () => {
  it("runs once in the end", async () => {
    const missing = [join(directory, "missing")];
    const lives = [shell("READY"), missing, missing];
    await manage(() => lives.shift() ?? shell("READY; exec sleep 60")).start();
    await untilBegun(2);
    // Longer than the pause before the start that must not come.
    await delay(1_500);
    assert.equal(begun(), 2, said.join("\n"));
    assert.equal(said.length, 3, said.join("\n"));
  });
});

describe("stop()", () => {
  const stop = () => managed.stop({ signal: "SIGTERM", patienceMs: 500 });

  it("is in order when the process ends with 0 after it was asked", async () => {
    await manage(() => shell("trap 'exit 0' TERM; READY; while :; do sleep 0.05; done")).start();
    await untilBegun(1);
    assert.equal(await stop(), true);
  });

  for (const [what, script] of [
    ["says that it could not", "trap 'exit 1' TERM; READY; while :; do sleep 0.05; done"],
    ["does not listen yet", "READY; exec sleep 60"],
    ["has to be killed", "trap '' TERM; READY; exec sleep 60"],
  ] as const) {
    it(`is not in order when the process ${what}`, async () => {
      await manage(() => shell(script)).start();
      await untilBegun(1);
      assert.equal(await stop(), false);
    });
  }

  it("is not in order when somebody kills the process while it ends", async () => {
    await manage(() => shell("trap '' TERM; READY; exec sleep 60")).start();
    await untilBegun(1);
    const stopped = managed.stop({ signal: "SIGTERM", patienceMs: 60_000 });
    managed.signal("SIGKILL");
    assert.equal(await stopped, false);
  });

  it("is not in order when the process was dead already, and nothing is started any more", async () => {
    await manage(() => shell("READY")).start();
    assert.ok(await until(() => said.length > 0, { timeoutMs: 10_000 }));
    assert.equal(await stop(), false);
    await delay(300);
    assert.equal(begun(), 1);
  });
});
