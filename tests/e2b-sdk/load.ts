// E2B's unmodified client: eight sandboxes at once for a while.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { before, describe, it } from "node:test";
import type { Sandbox } from "e2b";
import { eventually } from "../db/eventually.ts";
import { pidsOf } from "../e2e/processes.ts";
import type { E2bPlatform } from "./platform.ts";

const SANDBOXES = 8;
/** On a machine to itself, with time. */
const LONG = process.env["WRENN_LONG"] === "1";
const SECONDS = Number(process.env["WRENN_LOAD_SEC"] ?? (LONG ? 300 : 30));

export function loadTests(platform: () => E2bPlatform): void {
  describe("E2B's client under load", () => {
    let e2b: E2bPlatform;
    before(() => {
      e2b = platform();
    });

    it(`drives ${SANDBOXES} sandboxes at once for ${SECONDS} s without an error or a leak`, async (test) => {
      const { block } = e2b.platform;
      const idle = openFiles(block);
      const sandboxes = await Promise.all(Array.from({ length: SANDBOXES }, () => e2b.sandbox()));
      // The first time opens connections that stay: to the database, between the daemons, from the client.
      await load(sandboxes, 1);
      const before = openFiles(block);
      const rounds = await load(sandboxes, SECONDS);
      const after = openFiles(block);
      await eventually(async () => openFiles(block) <= before || undefined, 30_000);
      await Promise.all(sandboxes.map((sandbox) => sandbox.kill()));
      // Each had some for itself, five or six in the runs that were looked at.
      await eventually(async () => openFiles(block) <= before - 4 * SANDBOXES || undefined, 30_000);
      test.diagnostic(
        `${rounds} rounds; open files: ${idle} without sandboxes, ${before} before the load, ${after} behind it, ${openFiles(block)} at the end`,
      );
      const left = await e2b.platform.client.sandboxes.list({ status: "running" }).next();
      assert.equal(left.done, true);
    });
  });
}

/** How many rounds all of them did together; each does at least one. */
async function load(sandboxes: readonly Sandbox[], seconds: number): Promise<number> {
  const until = Date.now() + seconds * 1000;
  const rounds = await Promise.all(sandboxes.map((sandbox, at) => drive(sandbox, at, until)));
  assert.ok(
    rounds.every((count) => count > 0),
    String(rounds),
  );
  return rounds.reduce((sum, count) => sum + count, 0);
}

async function drive(sandbox: Sandbox, at: number, until: number): Promise<number> {
  let round = 0;
  for (; Date.now() < until; round++) {
    const text = `${at} ${round}`;
    await sandbox.files.write("/tmp/round", text);
    const { stdout } = await sandbox.commands.run("cat /tmp/round; echo; seq 1000 | tail -1");
    assert.equal(stdout, `${text}\n1000\n`);
    assert.equal(await sandbox.files.read("/tmp/round"), text);
    assert.ok((await sandbox.files.list("/tmp")).length > 0);
  }
  return round;
}

/** Open files of the control plane and the host agent of one instance. */
function openFiles(block: number): number {
  const pids = pidsOf(
    (argv, environment) =>
      /wrenn-(host-agent|control-plane)|packages\/(host-agent|control-plane)\/src\/main/.test(
        argv.join(" "),
      ) &&
      environment.some(
        (entry) =>
          entry === `WRENN_BLOCK=${block}` || entry.startsWith(`WRENN_HOSTS=unix:/run/wrenn/${block}/`),
      ),
  );
  return pids.reduce((sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length, 0);
}
