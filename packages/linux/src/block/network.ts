// The host's side of a block's network: what all its slots share.
import { WrennError } from "@wrenn/core";
import { applyHostRules, removeHostRules } from "../firewall/apply.ts";
import type { FirewallMode } from "../firewall/host-rules.ts";
import { inPrefix, parseIpv4 } from "../plan/address.ts";
import { type BlockPlan, planBlock } from "../plan/plan.ts";
import { type HostSide, inNetns } from "../run/host-side.ts";
import { run } from "../run/run.ts";
import { joinForwarding, leaveForwarding } from "./forwarding.ts";
import { withMachineLock } from "./machine-lock.ts";

const TIMEOUT_MS = 10_000;

export interface BlockNetworkOptions {
  block: number;
  /** See {@link HostRules.dns}. */
  dns?: string | undefined;
  mode?: FirewallMode | undefined;
  host?: HostSide | undefined;
}

/**
 * Makes ready what slots need: rules first, then routes and forwarding to the uplinks. Addresses of
 * slots that do not exist are unreachable, so nothing for them ever leaves by the default route. May be
 * repeated.
 */
export async function openBlockNetwork(options: BlockNetworkOptions): Promise<void> {
  const { dns, mode = "enforce", host = {} } = options;
  const plan = planBlock(options.block);
  if (dns !== undefined) assertResolver(dns);
  await withMachineLock(host.runDir, async () => {
    await applyHostRules({ plan, dns, mode }, host);
    const input = networks(plan).map((network) => `route replace unreachable ${network}\n`);
    await run(inNetns(host.netns, ["ip", "-batch", "-"]), { timeoutMs: TIMEOUT_MS, input: input.join("") });
    await joinForwarding(plan.block, host);
  });
}

/** Removes it again; the slots must be gone. Already gone is success. Returns the routes that were there. */
export async function closeBlockNetwork(block: number, host: HostSide = {}): Promise<string[]> {
  const plan = planBlock(block);
  return withMachineLock(host.runDir, async () => {
    await leaveForwarding(block, host);
    const routes = await blockRoutes(plan, host);
    for (const route of routes) {
      await run(inNetns(host.netns, ["ip", "route", "del", "unreachable", route]), { timeoutMs: TIMEOUT_MS });
    }
    await removeHostRules(plan, host);
    return routes;
  });
}

/** The resolver is reached by routing, so it cannot be an address of a loopback interface. */
function assertResolver(dns: string): void {
  try {
    parseIpv4(dns);
  } catch (cause) {
    throw new WrennError("invalid_argument", `dns must be an IPv4 address, not ${dns}`, {
      field: "dns",
      cause,
    });
  }
  if (inPrefix(dns, "127.0.0.0/8")) {
    throw new WrennError(
      "invalid_argument",
      `dns ${dns} is a loopback address, which guests cannot reach; name the resolver behind it`,
      { field: "dns" },
    );
  }
}

async function blockRoutes(plan: BlockPlan, host: HostSide): Promise<string[]> {
  const { stdout } = await run(
    inNetns(host.netns, ["ip", "-j", "-4", "route", "show", "type", "unreachable"]),
    { timeoutMs: TIMEOUT_MS },
  );
  const present = (JSON.parse(stdout || "[]") as { dst: string }[]).map((route) => route.dst);
  return networks(plan).filter((network) => present.includes(network));
}

function networks(plan: BlockPlan): string[] {
  return [plan.guestNetwork, plan.linkNetwork];
}
