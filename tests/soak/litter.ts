// What a host agent must not have left on the machine, besides what its sandboxes need.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { detectCgroups, listNetns, planBlock, processesOfUids } from "@wrenn/linux";
import type { Agent } from "../faults/agent.ts";

/**
 * What nobody needs is removed in the background, slots are prepared there, and groups go once they are empty; and after a
 * clone that failed the template is booted there once more, which takes an emulated guest longest.
 */
const SETTLE_MS = 90_000;
/** As `newAgent` sets it. */
const PREPARED_SLOTS = 2;
/** Files that are being made, and directories that are being made or are going, of everything below a data directory. */
const UNFINISHED = /(^|\/)((new|gone)-[^/]+|[^/]+\.new)$/;

/** Throws with the difference unless everything of all sandboxes and named snapshots is gone. */
export async function assertNothingLeft(agent: Agent): Promise<void> {
  await assertNothingBut(agent, []);
}

/** Throws with the difference unless the machine holds what these sandboxes need, and nothing of any other. */
export async function assertNothingBut(agent: Agent, ids: readonly string[]): Promise<void> {
  const deadline = Date.now() + SETTLE_MS;
  for (;;) {
    const left = await litterOf(agent, ids);
    if (left.length === 0) return;
    assert.ok(Date.now() < deadline, `left: ${left.join(", ")}`);
    await delay(20);
  }
}

async function litterOf({ rpc, block, dataDir }: Agent, ids: readonly string[]): Promise<string[]> {
  const plan = planBlock(block);
  const { sandboxes } = await rpc.listSandboxes({}, { timeoutMs: 10_000 });
  const listed = new Set(sandboxes.map(({ sandboxId }) => sandboxId));
  for (const id of ids) assert.ok(listed.has(id), `${id} is gone`);
  const others = new Set([...listed, ...readdirSync(join(dataDir, "sandboxes"))]);
  for (const id of ids) others.delete(id);
  const running = sandboxes.filter(({ status }) => status === "running").length;
  const { entries } = await rpc.getStorage({}, { timeoutMs: 10_000 });
  const unused = entries.filter(({ usedBy }) => usedBy.length === 0);
  const known = new Set(entries.filter(({ kind }) => kind === "snapshot").map(({ id }) => id));
  const strays = readdirSync(join(dataDir, "snapshots")).filter((name) => !known.has(name));
  const paths = pathsBelow(dataDir);
  if (paths === undefined) return ["what is just going"];
  const unfinished = paths.filter((path) => UNFINISHED.test(path));
  const stopped = sandboxes.filter(({ status }) => status === "stopped").map(({ sandboxId }) => sandboxId);
  const kept = paths.filter(
    (path) => /^sandboxes\/[^/]+\/kept-\d+$/.test(path) && !stopped.includes(path.split("/")[1] ?? ""),
  );
  const lives = paths.filter((path) => /^sandboxes\/[^/]+\/vm-\d+$/.test(path));
  const found = {
    machines: [machinesOf(plan.vmmUids), running],
    "directories of machines": [lives, running],
    "control groups of machines": [groupsOf(plan.cgroup), running],
    "network slots": [
      listNetns().filter((name) => name.startsWith(plan.netnsPrefix)),
      running + PREPARED_SLOTS,
    ],
  } as const;
  return [
    ...[...others].map((id) => `sandbox ${id}`),
    ...unused.map(({ kind, id }) => `${kind} ${id}, which nobody needs`),
    ...strays.map((name) => `snapshots/${name}`),
    ...unfinished,
    ...kept,
    ...Object.entries(found)
      .filter(([, [names, most]]) => names.length > most)
      .map(([what, [names, most]]) => `${names.length} ${what} instead of ${most} (${names.join(", ")})`),
  ];
}

/** Of all files and directories; undefined when one has gone while it was looked at. */
function pathsBelow(dir: string): string[] | undefined {
  try {
    return readdirSync(dir, { recursive: true, encoding: "utf8" });
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== "ENOENT") throw reason;
    return undefined;
  }
}

/** What runs as one of their users: the programs that hold a machine are no more of them when there is one. */
function machinesOf(uids: { first: number; last: number }): string[] {
  const names = processesOfUids(uids).flatMap(({ pid }) => nameOf(pid) ?? []);
  const machines = names.filter((name) => name !== "bwrap");
  return machines.length > 0 ? machines : names;
}

/** Undefined when it has ended meanwhile. */
function nameOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return undefined;
  }
}

/** Of sandboxes: those of the platform's own processes are called otherwise. */
function groupsOf(parent: string): string[] {
  return detectCgroups()
    .list(parent)
    .filter((name) => name.startsWith("sb-"));
}
