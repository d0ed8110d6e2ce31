// A life that its guest does not confirm is none: everything is given back.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { afterEach, beforeEach, describe, it } from "node:test";
import { pino } from "pino";
import { confirming } from "../testing/fake-guest.ts";
import { FakeHost, GUEST_IMAGES, newSandbox } from "../testing/fake-host.ts";
import { type Beginning, beginLife } from "./life.ts";
import { lifeDir, readRecords } from "./record.ts";
import { cloneOf } from "./resume.ts";

const log = pino({ level: "silent" });

let host: FakeHost;
beforeEach(async () => {
  host = await FakeHost.start();
  host.addSnapshot("copy");
});
afterEach(() => host[Symbol.asyncDispose]());

const beginnings: [string, () => Promise<Beginning>][] = [
  ["a clone", () => cloneOf(host.context, "copy")],
  [
    "a boot",
    async () => {
      const { disk: layers, diskMb } = host.context.snapshots.get("copy").manifest;
      return { kind: "cold", guest: GUEST_IMAGES, layers, diskMb };
    },
  ],
];

describe("beginLife()", () => {
  for (const [what, beginning] of beginnings)
    it(`of ${what} fails with its guest's init, and holds nothing then`, async () => {
      const { context, events, guest } = host;
      const sandbox = newSandbox();
      guest.answer = ({ init }) => confirming(init, { reseeded: false });
      await assert.rejects(beginLife(context, sandbox, await beginning(), log), {
        code: "internal",
        message: `the guest of ${sandbox.id} did not take over its random numbers`,
      });
      assert.equal(sandbox.record.life, null);
      assert.equal((await readRecords(host.dataDir))[0]?.record?.life, null);
      assert.equal(existsSync(lifeDir(host.dataDir, sandbox.id, 1)), false);
      const given = what === "a clone" ? ["kill", "free memory image"] : ["kill"];
      assert.deepEqual(events.slice(2), [...given, "free disk", "free slot"]);

      // Nor is its place taken: this host has one.
      guest.answer = ({ init }) => confirming(init);
      const running = await beginLife(context, sandbox, await beginning(), log);
      assert.equal(sandbox.life.number, 2);
      await assert.rejects(beginLife(context, newSandbox(), await beginning(), log), { code: "capacity" });
      await running.scope.close();
    });
});
