// Putting rulesets into the kernel.

import { type HostSide, inNetns } from "../run/host-side.ts";
import { run } from "../run/run.ts";
import { type HostRules, hostRuleset } from "./host-rules.ts";
import { type SlotRules, slotRuleset } from "./slot-rules.ts";

/** Milliseconds are enough on a machine to itself; a host that starts while it is busy must not fail for that. */
const NFT_TIMEOUT_MS = 60_000;

/** Installs or replaces the block's table on the host. */
export async function applyHostRules(rules: HostRules, host: HostSide = {}): Promise<void> {
  await nft(host.netns, hostRuleset(rules));
}

/** Removes the block's table from the host. Already gone is success. */
export async function removeHostRules(plan: HostRules["plan"], host: HostSide = {}): Promise<void> {
  // `delete` fails on a table that is not there, so the same transaction makes it first.
  await nft(host.netns, `table inet ${plan.table}\ndelete table inet ${plan.table}`);
}

/** Installs or replaces the rules in a slot's namespace. */
export async function applySlotRules(rules: SlotRules, signal?: AbortSignal): Promise<void> {
  await nft(rules.plan.netns, slotRuleset(rules), signal);
}

/** The ruleset travels as an argument: nft reopens /dev/stdin, which fails for the socket that Node gives. */
async function nft(netns: string | undefined, ruleset: string, signal?: AbortSignal): Promise<void> {
  await run(inNetns(netns, ["nft", ruleset]), { timeoutMs: NFT_TIMEOUT_MS, signal });
}
