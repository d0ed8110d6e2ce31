// The rules inside one slot's network namespace: the first to see what a guest sends.
import { GUEST, type SlotPlan, UPLINK } from "../plan/plan.ts";
import { type Egress, egressSets, egressVerdicts, isClosed } from "./egress.ts";
import { FORBIDDEN_IPV4 } from "./forbidden.ts";
import type { FirewallMode } from "./host-rules.ts";

export interface SlotRules {
  plan: SlotPlan;
  /** IPv4 address of the resolver behind {@link GUEST.resolver}. Without it guests have none. */
  dns?: string | undefined;
  mode: FirewallMode;
  /** Its owner's own rules for where the guest goes. */
  egress?: Egress | undefined;
}

const NO_RULES: Egress = { allow: [], deny: [] };

/** Connections of one guest that may be open at once; they share the host's connection table. */
export const MAX_GUEST_CONNECTIONS = 8192;

/** An nft ruleset for the slot's namespace; applying it again replaces it in one transaction. */
export function slotRuleset({ plan, dns, mode, egress = NO_RULES }: SlotRules): string {
  return [
    "flush ruleset",
    ...(mode === "enforce" ? antiSpoofing() : []),
    "table inet wrenn {",
    ...(mode === "enforce" ? filters(plan, egress) : []),
    ...translation(plan, dns),
    "}",
  ].join("\n");
}

/** Before anything else looks at a frame: one MAC, one address, ARP and IPv4 only. IPv6 ends here. */
function antiSpoofing(): string[] {
  return [
    "table netdev wrenn {",
    "chain from_guest {",
    `type filter hook ingress device "${GUEST.tap}" priority -500; policy drop;`,
    `ether saddr != ${GUEST.mac} drop`,
    `arp saddr ip ${GUEST.address} accept`,
    `ip saddr ${GUEST.address} accept`,
    "}",
    "}",
  ];
}

function filters(plan: SlotPlan, egress: Egress): string[] {
  return [
    "set forbidden {",
    "type ipv4_addr; flags interval",
    `elements = { ${FORBIDDEN_IPV4.join(", ")} }`,
    "}",
    ...egressSets(egress),

    "chain input {",
    "type filter hook input priority filter; policy drop;",
    "ct state established,related accept",
    "}",

    "chain forward {",
    "type filter hook forward priority filter; policy drop;",
    "ct state established,related accept",
    "ct state invalid drop", // would pass untranslated
    `iifname "${UPLINK}" oifname "${GUEST.tap}" ip saddr ${plan.hostAddress} ct original ip daddr ${plan.guestAddress} accept`,
    `iifname "${GUEST.tap}" oifname "${UPLINK}" jump guest_to_world`,
    "}",
    "chain guest_to_world {",
    "meta nfproto ipv6 drop",
    `ct state new ct count over ${MAX_GUEST_CONNECTIONS} drop`,
    ...(isClosed(egress) ? [] : [`ct status dnat ct original ip daddr ${GUEST.resolver} accept`]),
    "ip daddr @forbidden drop",
    ...egressVerdicts(egress),
    "}",
  ];
}

/**
 * The host reaches the guest by its per-slot address, and the guest sees its gateway as the peer: every
 * clone has the same surroundings. Towards the host the guest has the slot's address.
 */
function translation(plan: SlotPlan, dns: string | undefined): string[] {
  const resolver =
    dns === undefined
      ? []
      : [
          `iifname "${GUEST.tap}" ip daddr ${GUEST.resolver} meta l4proto { tcp, udp } th dport 53 dnat ip to ${dns}`,
        ];
  return [
    "chain prerouting {",
    "type nat hook prerouting priority dstnat; policy accept;",
    `iifname "${UPLINK}" ip daddr ${plan.guestAddress} dnat ip to ${GUEST.address}`,
    ...resolver,
    "}",
    "chain postrouting {",
    "type nat hook postrouting priority srcnat; policy accept;",
    `oifname "${GUEST.tap}" snat ip to ${GUEST.gateway}`,
    `oifname "${UPLINK}" snat ip to ${plan.slotAddress}`,
    "}",
  ];
}
