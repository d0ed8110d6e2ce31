// Removing what a former holder of a block left behind.
import type { Cgroup, Cgroups } from "../cgroup/cgroup.ts";
import { removeDeviceNodes, usersWithDeviceNodes } from "../confine/device-nodes.ts";
import { type BlockPlan, planBlock, planSlot, SLOTS_PER_BLOCK } from "../plan/plan.ts";
import { identitiesOf, processesOfUids } from "../process/enumerate.ts";
import type { ProcessIdentity } from "../process/identity.ts";
import { killAll } from "../process/signal.ts";
import { type HostSide, inNetns } from "../run/host-side.ts";
import { run } from "../run/run.ts";
import { listLinks, listNetns } from "../slot/links.ts";
import { destroySlot } from "../slot/slot.ts";
import { closeBlockNetwork } from "./network.ts";
import { withdrawUserfaults } from "./userfaults.ts";

/** Groups of the platform's own processes, which a sweep of the sandboxes spares, start with this. */
export const PLATFORM_GROUP_PREFIX = "platform-";

export interface SweepOptions {
  block: number;
  cgroups: Cgroups;
  /**
   * `sandboxes`: what a host agent leaves, while the rest of its instance runs on. `all`: also the
   * control plane's uid, and the groups of the platform. Default: `all`.
   */
  scope?: "sandboxes" | "all" | undefined;
  /** Machines that still run and are to be taken over: their slots, and the names of their groups. */
  spare?: Spared | undefined;
  host?: HostSide | undefined;
}

export interface Spared {
  slots: ReadonlySet<number>;
  /** Names below the block's own group. */
  cgroups: ReadonlySet<string>;
}

/** What was found and removed. */
export interface Swept {
  processes: ProcessIdentity[];
  links: string[];
  netns: string[];
  tables: string[];
  routes: string[];
  cgroups: string[];
}

/**
 * Finds everything that bears the block's name or uids and removes it: processes first, because they
 * keep the rest alive. The caller holds the claim. Other blocks are not touched; doing it again finds
 * nothing.
 */
export async function sweepBlock(options: SweepOptions): Promise<Swept> {
  const { cgroups, host = {}, scope = "all", spare = NOTHING } = options;
  const plan = planBlock(options.block);
  const groups = cgroups
    .list(plan.cgroup)
    .filter(
      (name) => (scope === "all" || !name.startsWith(PLATFORM_GROUP_PREFIX)) && !spare.cgroups.has(name),
    )
    .map((name) => cgroups.open(`${plan.cgroup}/${name}`));

  const spared = new Set([...spare.slots].map((slot) => planSlot(plan.block, slot).uid));
  const processes = await killProcesses(plan, { groups, scope, spared });
  const { links, netns } = await removeSlots(plan, { host, spare });
  for (const uid of usersWithDeviceNodes()) {
    if (uid >= plan.vmmUids.first && uid <= plan.vmmUids.last && !spared.has(uid)) removeDeviceNodes(uid);
  }
  // What is spared needs the network of its block; opening it again brings it up to date.
  const isShared = spare.slots.size > 0;
  const tables = isShared ? [] : await listTables(plan, host);
  const routes = isShared ? [] : await closeBlockNetwork(plan.block, host);
  if (!isShared) await withdrawUserfaults(plan.block, host);
  for (const group of groups) await group.remove();
  // Shared with what was spared, and the one above with other instances.
  for (const path of [plan.cgroup, "wrenn"]) cgroups.open(path).removeIfUnused();
  return { processes, links, netns, tables, routes, cgroups: groups.map((group) => group.path) };
}

const NOTHING: Spared = { slots: new Set(), cgroups: new Set() };

async function killProcesses(
  plan: BlockPlan,
  {
    groups,
    scope,
    spared,
  }: { groups: readonly Cgroup[]; scope: "sandboxes" | "all"; spared: ReadonlySet<number> },
): Promise<ProcessIdentity[]> {
  const inGroups = groups.flatMap((group) => identitiesOf(group.members()));
  for (const group of groups) await group.kill();
  const first = scope === "all" ? plan.controlPlaneUid : plan.vmmUids.first;
  const outside: ProcessIdentity[] = [];
  for (const range of rangesWithout(spared, { first, last: plan.vmmUids.last })) {
    outside.push(...(await killAll(processesOfUids(range))));
  }
  return [...inGroups, ...outside];
}

/** The parts of a range between the values that are left out. */
function rangesWithout(
  out: ReadonlySet<number>,
  { first, last }: { first: number; last: number },
): { first: number; last: number }[] {
  const cuts = [...out].filter((value) => value >= first && value <= last).sort((a, b) => a - b);
  const starts = [first, ...cuts.map((cut) => cut + 1)];
  const ends = [...cuts.map((cut) => cut - 1), last];
  return starts.flatMap((start, index) => {
    const end = ends[index] ?? last;
    return start <= end ? [{ first: start, last: end }] : [];
  });
}

async function removeSlots(
  plan: BlockPlan,
  { host, spare }: { host: HostSide; spare: Spared },
): Promise<{ links: string[]; netns: string[] }> {
  const found = { links: [] as string[], netns: [] as string[] };
  const presentLinks = new Set(await listLinks(host));
  const presentNetns = new Set(listNetns());
  for (let slot = 0; slot < SLOTS_PER_BLOCK; slot++) {
    if (spare.slots.has(slot)) continue;
    const slotPlan = planSlot(plan.block, slot);
    const hasLink = presentLinks.has(slotPlan.hostLink);
    const hasNetns = presentNetns.has(slotPlan.netns);
    if (hasLink) found.links.push(slotPlan.hostLink);
    if (hasNetns) found.netns.push(slotPlan.netns);
    if (hasLink || hasNetns) await destroySlot(slotPlan, host);
  }
  return found;
}

async function listTables(plan: BlockPlan, host: HostSide): Promise<string[]> {
  const { stdout } = await run(inNetns(host.netns, ["nft", "-j", "list", "tables"]), { timeoutMs: 10_000 });
  const { nftables } = JSON.parse(stdout) as { nftables: { table?: { name: string } }[] };
  return nftables.flatMap(({ table }) => (table?.name === plan.table ? table.name : []));
}
