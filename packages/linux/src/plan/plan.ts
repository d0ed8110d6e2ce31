// Every name, address and uid of a block and its slots, computed and nothing else.
//
// A block is one instance's share of the machine, a slot the network of one sandbox within it.
import { WrennError } from "@wrenn/core";
import { formatIpv4, parseIpv4 } from "./address.ts";

/** Blocks 0..255: at most 256 instances on one machine. */
export const BLOCKS = 256;
/** Slots 0..253 of a block: one host-reachable address each, .1 to .254 of the block's /24. */
export const SLOTS_PER_BLOCK = 254;

const GUEST_BASE = parseIpv4("10.11.0.0");
/** 2 addresses for each of 256 x 256 slots fill 10.12.0.0/15 exactly. */
const LINK_BASE = parseIpv4("10.12.0.0");
const UID_BASE = 1_900_000_000;
const UIDS_PER_BLOCK = 1024;

/** What is the same on the guest's side of every slot, so that a snapshot fits into any of them. */
export const GUEST = {
  tap: "tap0",
  tapMac: "02:fc:00:00:00:06",
  gateway: "169.254.0.22",
  address: "169.254.0.21",
  prefixLength: 30,
  mac: "02:fc:00:00:00:05",
  /** The guest's name server; the slot forwards it to the one upstream resolver. */
  resolver: "169.254.0.22",
} as const;

/** The end of the veth pair inside the slot's network namespace. */
export const UPLINK = "up0";

export interface BlockPlan {
  block: number;
  /** Common start of the slots' host links, and an nft wildcard when `*` follows. */
  linkPrefix: string;
  /** Common start of the names of the slots' network namespaces. */
  netnsPrefix: string;
  /** Common start of the names of device-mapper devices. */
  devicePrefix: string;
  /** nft table (family inet) in the host's namespace. */
  table: string;
  /** Guest addresses as the host sees them. */
  guestNetwork: string;
  /** Addresses of the veth pairs. */
  linkNetwork: string;
  /** Parent of all cgroups of the block. */
  cgroup: string;
  controlPlaneUid: number;
  /** Uids of the virtual machine monitors, both ends included. */
  vmmUids: { first: number; last: number };
}

export interface SlotPlan {
  block: number;
  slot: number;
  netns: string;
  /** Path that `nsenter --net=` takes. */
  netnsPath: string;
  /** The end of the veth pair on the host; the other is {@link UPLINK}. */
  hostLink: string;
  /** /31 addresses of the veth pair. */
  hostAddress: string;
  slotAddress: string;
  /** Where the host reaches the guest. */
  guestAddress: string;
  /** Uid and gid of the virtual machine monitor; it owns the tap. */
  uid: number;
}

/** The plan of a block. Throws `invalid_argument` for a block that does not exist. */
export function planBlock(block: number): BlockPlan {
  assertIndex(block, BLOCKS, "block");
  const uid = UID_BASE + block * UIDS_PER_BLOCK;
  return {
    block,
    linkPrefix: `wr${block}s`,
    netnsPrefix: `wrenn-${block}-`,
    devicePrefix: `wrenn-${block}-`,
    table: `wrenn_${block}`,
    guestNetwork: `${formatIpv4(GUEST_BASE + block * 256)}/24`,
    linkNetwork: `${formatIpv4(LINK_BASE + block * 512)}/23`,
    cgroup: `wrenn/${block}`,
    controlPlaneUid: uid,
    vmmUids: { first: uid + 1, last: uid + 256 },
  };
}

/** The block of which this is a virtual machine monitor's user; undefined when it is nobody's. */
export function blockOfVmm(uid: number): number | undefined {
  const block = Math.floor((uid - UID_BASE) / UIDS_PER_BLOCK);
  if (!(block >= 0 && block < BLOCKS)) return undefined;
  const { first, last } = planBlock(block).vmmUids;
  return uid >= first && uid <= last ? block : undefined;
}

/** The plan of a slot. Throws `invalid_argument` for a slot that does not exist. */
export function planSlot(block: number, slot: number): SlotPlan {
  const plan = planBlock(block);
  assertIndex(slot, SLOTS_PER_BLOCK, "slot");
  const netns = `${plan.netnsPrefix}${slot}`;
  const pair = LINK_BASE + 2 * (block * 256 + slot);
  return {
    block,
    slot,
    netns,
    netnsPath: `/run/netns/${netns}`,
    hostLink: `${plan.linkPrefix}${slot}`,
    hostAddress: formatIpv4(pair),
    slotAddress: formatIpv4(pair + 1),
    guestAddress: formatIpv4(GUEST_BASE + block * 256 + slot + 1),
    uid: plan.vmmUids.first + slot,
  };
}

function assertIndex(value: number, count: number, field: string): void {
  if (!Number.isInteger(value) || value < 0 || value >= count) {
    throw new WrennError("invalid_argument", `${field} must be a whole number from 0 to ${count - 1}`, {
      field,
    });
  }
}
