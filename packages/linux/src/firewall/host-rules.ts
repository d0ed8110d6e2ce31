// The rules of one instance in the host's network namespace.
import type { BlockPlan } from "../plan/plan.ts";
import { FORBIDDEN_IPV4 } from "./forbidden.ts";

/** `enforce` is the product; `lifted` keeps address translation only, as the control of a test. */
export type FirewallMode = "enforce" | "lifted";

export interface HostRules {
  plan: BlockPlan;
  /** IPv4 address of the one resolver that guests may use, wherever it is. */
  dns?: string | undefined;
  mode: FirewallMode;
}

/**
 * An nft ruleset that replaces the block's table in one transaction. Links are matched by their common
 * name, so the number of rules does not depend on the number of slots.
 *
 * Each slot's namespace has rules of its own ({@link slotRuleset}), which deny the forbidden
 * destinations a second time; only these here protect the host's own public addresses. The priority is
 * before the usual filters. A drop is final; an accept is not: other tables may still drop (see
 * {@link foreignForwardRules}).
 */
export function hostRuleset({ plan, dns, mode }: HostRules): string {
  const table = `table inet ${plan.table}`;
  return [
    table,
    `delete ${table}`,
    `${table} {`,
    ...(mode === "enforce" ? filters(plan, dns) : []),
    ...masquerade(plan),
    "}",
  ].join("\n");
}

function filters(plan: BlockPlan, dns: string | undefined): string[] {
  const links = `"${plan.linkPrefix}*"`;
  const resolver = dns === undefined ? [] : [`ip daddr ${dns} meta l4proto { tcp, udp } th dport 53 accept`];
  return [
    "set forbidden {",
    "type ipv4_addr; flags interval",
    `elements = { ${FORBIDDEN_IPV4.join(", ")} }`,
    "}",

    // Guest to host: only answers to what the host itself began. The resolver may be the host.
    "chain input {",
    "type filter hook input priority filter - 10; policy accept;",
    `iifname ${links} jump guest_to_host`,
    "}",
    "chain guest_to_host {",
    "meta nfproto ipv6 drop",
    "ct state established,related accept",
    ...resolver,
    "drop",
    "}",

    // Through the host. Nobody but the host begins a connection to a guest.
    "chain forward {",
    "type filter hook forward priority filter - 10; policy accept;",
    `oifname ${links} ct state established,related accept`,
    `oifname ${links} drop`,
    `iifname ${links} jump guest_to_world`,
    "}",
    "chain guest_to_world {",
    "meta nfproto ipv6 drop",
    "ct state invalid drop", // would pass untranslated
    `ip saddr != ${plan.linkNetwork} drop`,
    ...resolver,
    "ip daddr @forbidden drop",
    "}",
  ];
}

function masquerade(plan: BlockPlan): string[] {
  return [
    "chain postrouting {",
    "type nat hook postrouting priority srcnat; policy accept;",
    `ip saddr ${plan.linkNetwork} oifname != "${plan.linkPrefix}*" masquerade`,
    "}",
  ];
}
