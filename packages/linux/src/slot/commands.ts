// What makes and unmakes a slot, as batches for ip(8) and settings for sysctl(8). Pure.
import { GUEST, type SlotPlan, UPLINK } from "../plan/plan.ts";

/**
 * The device on the guest's side. `tap` is what a virtual machine attaches to; `veth` puts its other
 * end into a network namespace that plays the guest, for tests without virtual machines.
 */
export type GuestDevice = { kind: "tap" } | { kind: "veth"; peerNetns: string; peerName: string };

/** On the host: the namespace, the veth pair, and the route to the guest. */
export function hostBatch(plan: SlotPlan): string[] {
  return [
    `netns add ${plan.netns}`,
    `link add ${plan.hostLink} type veth peer name ${UPLINK} netns ${plan.netns}`,
    `link set ${plan.hostLink} addrgenmode none`,
    `addr add ${plan.hostAddress}/31 dev ${plan.hostLink}`,
    `link set ${plan.hostLink} up`,
    `route add ${plan.guestAddress}/32 via ${plan.slotAddress} dev ${plan.hostLink} src ${plan.hostAddress}`,
  ];
}

/**
 * Forwarding is switched on for this link alone. Packets must come from where they would be answered
 * to (RFC 3704, strict).
 */
export function hostSysctls(plan: SlotPlan): string[] {
  const ipv4 = `net.ipv4.conf.${plan.hostLink}`;
  return [
    `${ipv4}.forwarding=1`,
    `${ipv4}.rp_filter=1`,
    `${ipv4}.accept_redirects=0`,
    `${ipv4}.send_redirects=0`,
    `net.ipv6.conf.${plan.hostLink}.disable_ipv6=1`,
  ];
}

/** Inside the slot's namespace. The neighbour entry is permanent: a guest cannot change it by ARP. */
export function slotBatch(plan: SlotPlan, device: GuestDevice): string[] {
  return [
    "link set lo up",
    guestDevice(plan, device),
    `link set ${GUEST.tap} address ${GUEST.tapMac}`,
    `addr add ${GUEST.gateway}/${GUEST.prefixLength} dev ${GUEST.tap}`,
    `link set ${GUEST.tap} up`,
    `neigh replace ${GUEST.address} lladdr ${GUEST.mac} dev ${GUEST.tap} nud permanent`,
    `addr add ${plan.slotAddress}/31 dev ${UPLINK}`,
    `link set ${UPLINK} up`,
    `route add default via ${plan.hostAddress} dev ${UPLINK}`,
  ];
}

/** `ip_forward` comes first: writing it resets the others. */
export function slotSysctls(): string[] {
  return [
    "net.ipv4.ip_forward=1",
    "net.ipv4.conf.all.rp_filter=1",
    "net.ipv4.conf.all.accept_redirects=0",
    "net.ipv4.conf.all.send_redirects=0",
    `net.ipv4.conf.${GUEST.tap}.send_redirects=0`,
    "net.ipv6.conf.all.disable_ipv6=1",
    "net.ipv6.conf.default.disable_ipv6=1",
  ];
}

function guestDevice(plan: SlotPlan, device: GuestDevice): string {
  return device.kind === "tap"
    ? `tuntap add dev ${GUEST.tap} mode tap user ${plan.uid} vnet_hdr`
    : `link add ${GUEST.tap} type veth peer name ${device.peerName} netns ${device.peerNetns}`;
}
