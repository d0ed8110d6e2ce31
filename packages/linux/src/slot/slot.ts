// Making and unmaking the network of one sandbox.
import { Scope } from "@wrenn/core";
import { applySlotRules } from "../firewall/apply.ts";
import type { FirewallMode } from "../firewall/host-rules.ts";
import type { SlotPlan } from "../plan/plan.ts";
import { CommandError } from "../run/command-error.ts";
import { type HostSide, inNetns } from "../run/host-side.ts";
import { run } from "../run/run.ts";
import { type GuestDevice, hostBatch, hostSysctls, slotBatch, slotSysctls } from "./commands.ts";
import { hasLink, hasNetns } from "./links.ts";

const COMMAND_TIMEOUT_MS = 10_000;

export interface CreateSlotOptions {
  /** See {@link SlotRules.dns}. */
  dns?: string | undefined;
  /** Default: a tap. */
  device?: GuestDevice | undefined;
  /** Default: `enforce`. */
  mode?: FirewallMode | undefined;
  host?: HostSide | undefined;
  /** Stops half-way; what was made by then is removed. */
  signal?: AbortSignal | undefined;
}

/**
 * Makes a slot: network namespace, veth pair, guest device, addresses, routes, rules. All or nothing.
 * A left-over of the same name makes it fail once: it is removed with the rest.
 */
export async function createSlot(plan: SlotPlan, options: CreateSlotOptions = {}): Promise<void> {
  const { dns, device = { kind: "tap" }, mode = "enforce", host = {}, signal } = options;
  const limits = { timeoutMs: COMMAND_TIMEOUT_MS, signal };
  await using scope = new Scope();
  scope.defer(`slot ${plan.netns}`, () => destroySlot(plan, host));

  await run(inNetns(host.netns, ["ip", "-batch", "-"]), { ...limits, input: lines(hostBatch(plan)) });
  await run(inNetns(host.netns, ["sysctl", "-e", "-q", "-w", ...hostSysctls(plan)]), limits);
  await run(inNetns(plan.netns, ["ip", "-batch", "-"]), {
    ...limits,
    input: lines(slotBatch(plan, device)),
  });
  await run(inNetns(plan.netns, ["sysctl", "-e", "-q", "-w", ...slotSysctls()]), limits);
  await applySlotRules({ plan, dns, mode }, signal);

  scope.move();
}

/**
 * Removes a slot. What is already gone counts as removed, so it may be repeated. Processes inside must
 * have ended: they would keep the namespace alive without a name.
 */
export async function destroySlot(plan: SlotPlan, host: HostSide = {}): Promise<void> {
  // Removing the link by name is immediate; with the namespace it would vanish some time later.
  await remove(inNetns(host.netns, ["ip", "link", "del", plan.hostLink]), () => hasLink(plan.hostLink, host));
  await remove(["ip", "netns", "del", plan.netns], () => hasNetns(plan.netns));
}

async function remove(argv: [string, ...string[]], isThere: () => boolean | Promise<boolean>): Promise<void> {
  try {
    await run(argv, { timeoutMs: COMMAND_TIMEOUT_MS });
  } catch (error) {
    if (!(error instanceof CommandError) || error.reason !== "exit" || (await isThere())) throw error;
  }
}

function lines(batch: string[]): string {
  return `${batch.join("\n")}\n`;
}
