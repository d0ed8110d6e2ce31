import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ReportLog } from "./reports.ts";

describe("ReportLog", () => {
  it("opens with a report that cannot be read, and removes one that was never finished", async () => {
    const dir = await mkdtemp(join(tmpdir(), "wrenn-reports-"));
    try {
      const log = await ReportLog.open(dir);
      await log.add({ sandboxId: "sb-aaaaaaaaaaaaaaaa", status: "stopped", reason: "idle for 5 s" });
      const [torn, other] = ["1".repeat(64), "2".repeat(64)];
      await writeFile(join(dir, "reports", torn), '{"id": "11');
      await writeFile(join(dir, "reports", other), JSON.stringify({ ...log.list()[0] }));
      await writeFile(join(dir, "reports", `${torn}.new`), "{");
      const reopened = await ReportLog.open(dir);
      assert.deepEqual(reopened.list(), log.list());
      assert.deepEqual(
        reopened.damaged.map(({ path }) => path).sort(),
        [torn, other].map((name) => join(dir, "reports", name)),
      );
      const kept = await readdir(join(dir, "reports"));
      assert.equal(kept.length, 3);
      assert.ok(!kept.some((name) => name.endsWith(".new")));
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it("repeats reports, also after a restart, until they are acknowledged", async () => {
    const dir = await mkdtemp(join(tmpdir(), "wrenn-reports-"));
    try {
      const log = await ReportLog.open(dir);
      await log.add({ sandboxId: "sb-aaaaaaaaaaaaaaaa", status: "stopped", reason: "idle for 5 s" });
      await log.add({ sandboxId: "sb-bbbbbbbbbbbbbbbb", status: "error", reason: "x" });
      assert.equal(log.list().length, 2);
      assert.equal(log.list().length, 2, "listing drains nothing");
      const reopened = await ReportLog.open(dir);
      assert.deepEqual(
        new Set(reopened.list().map((r) => r.sandboxId)),
        new Set(log.list().map((r) => r.sandboxId)),
      );
      const [first] = reopened.list();
      assert.ok(first);
      await reopened.acknowledge([first.id, "0".repeat(64), "../../etc/passwd"]);
      assert.equal(reopened.list().length, 1);
      assert.equal((await ReportLog.open(dir)).list().length, 1);
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it("does not tell that a sandbox has ended once it goes on", async () => {
    const dir = await mkdtemp(join(tmpdir(), "wrenn-reports-"));
    try {
      const log = await ReportLog.open(dir);
      const [one, other] = ["sb-aaaaaaaaaaaaaaaa", "sb-bbbbbbbbbbbbbbbb"];
      for (const sandboxId of [one, other]) await log.add({ sandboxId, status: "stopped", reason: "x" });
      log.note(one, "disk_full", "y");
      await log.forgetEnds(one);
      const told = log.list().map(({ sandboxId, status }) => [sandboxId, status]);
      assert.deepEqual(told, [
        [other, "stopped"],
        [one, "running"],
      ]);
      assert.equal((await ReportLog.open(dir)).list().length, 1);
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it("tells from memory what it could not write, and writes it with the next", async () => {
    const dir = await mkdtemp(join(tmpdir(), "wrenn-reports-"));
    try {
      const failures: unknown[] = [];
      const log = await ReportLog.open(dir, (reason) => failures.push(reason));
      const reports = join(dir, "reports");
      await rm(reports, { recursive: true });
      await log.add({ sandboxId: "sb-aaaaaaaaaaaaaaaa", status: "stopped", reason: "first" });
      await log.add({ sandboxId: "sb-bbbbbbbbbbbbbbbb", status: "stopped", reason: "second" });
      assert.equal(failures.length, 2);
      assert.deepEqual(
        log.list().map(({ reason }) => reason),
        ["first", "second"],
      );
      await log.acknowledge(log.list().flatMap(({ id, reason }) => (reason === "first" ? [id] : [])));
      await mkdir(reports);
      await log.add({ sandboxId: "sb-cccccccccccccccc", status: "stopped", reason: "third" });
      const reopened = await ReportLog.open(dir);
      assert.deepEqual(new Set(reopened.list().map(({ reason }) => reason)), new Set(["second", "third"]));
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it("notes an event where nothing can be written, once until it is acknowledged", async () => {
    const dir = await mkdtemp(join(tmpdir(), "wrenn-reports-"));
    const log = await ReportLog.open(dir);
    await rm(dir, { recursive: true });
    const [one, other] = ["sb-aaaaaaaaaaaaaaaa", "sb-bbbbbbbbbbbbbbbb"];
    log.note(one, "disk_full", "first");
    log.note(one, "disk_full", "second");
    log.note(one, "disk_error", "third");
    log.note(other, "disk_full", "fourth");
    const noted = log.list();
    assert.deepEqual(
      noted.map(({ status, reason }) => [status, reason]),
      [
        ["running", "first"],
        ["running", "third"],
        ["running", "fourth"],
      ],
    );
    await log.acknowledge(noted.map(({ id }) => id));
    assert.deepEqual(log.list(), []);
    log.note(one, "disk_full", "again");
    assert.equal(log.list().length, 1);
  });
});
