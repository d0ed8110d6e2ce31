// A small world in namespaces: a host with slots, two guests, and an outside that owns every address that
// guests must or must not reach. No link of it leads to the machine's own network, so no packet can leave.
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Scope } from "@wrenn/core";
import {
  applyHostRules,
  applySlotRules,
  claimBlock,
  closeBlockNetwork,
  type Egress,
  type FirewallMode,
  GUEST,
  type HostSide,
  openBlockNetwork,
  planBlock,
  releaseBlock,
  type SlotPlan,
  SlotPool,
  UPLINK,
} from "@wrenn/linux";
import { type Actor, Namespace } from "./namespace.ts";

/** Addresses of the outside and of the host; documentation networks stand for public ones. */
export const OUTSIDE = {
  gateway: "198.51.100.1",
  publicAddress: "203.0.113.10",
  resolver: "10.255.255.53",
  /** One of every forbidden range that can be owned. */
  forbidden: [
    "0.1.2.3",
    "10.99.0.1",
    "100.64.0.1",
    "169.254.1.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.254",
    "240.0.0.1",
  ],
  forbidden6: ["fd00:99::1", "2001:db8:99::1"],
} as const;

export const HOST = {
  uplink: "198.51.100.2",
  publicAddress: "203.0.113.77",
  privateAddress: "10.50.0.1",
} as const;

/** A host without slots: a namespace with an uplink to the outside, and a block of its own. */
export interface HostWorld {
  block: number;
  host: Namespace;
  outside: Namespace;
  /** As the executors take it. */
  side: HostSide;
}

export async function makeHost(scope: Scope): Promise<HostWorld> {
  const directory = await scope.take(
    "directory",
    () => mkdtempSync(join(tmpdir(), "wrenn-isolation-")),
    (path) => rmSync(path, { recursive: true }),
  );
  mkdirSync(join(directory, "data"));
  const claim = await scope.take(
    "block",
    () => claimBlock({ dataDir: join(directory, "data") }),
    releaseBlock,
  );
  const name = `wt-${randomBytes(3).toString("hex")}`;
  const host = await Namespace.create(scope, `${name}-host`);
  const outside = await Namespace.create(scope, `${name}-outside`);
  await host.ip(
    `link add uplink0 type veth peer name out0 netns ${outside.name}`,
    `addr add ${HOST.uplink}/30 dev uplink0`,
    "link set uplink0 up",
    `addr add ${HOST.publicAddress}/32 dev lo`,
    `addr add ${HOST.privateAddress}/32 dev lo`,
    `route add default via ${OUTSIDE.gateway}`,
  );
  await outside.ip(
    `addr add ${OUTSIDE.gateway}/30 dev out0`,
    "link set out0 up",
    ...[OUTSIDE.publicAddress, OUTSIDE.resolver, ...OUTSIDE.forbidden].map(
      (ip) => `addr add ${ip}/32 dev lo`,
    ),
    `route add 10.11.0.0/16 via ${HOST.uplink}`,
  );
  return { block: claim.block, host, outside, side: { netns: host.name, runDir: join(directory, "run") } };
}

export interface Guest {
  plan: SlotPlan;
  slot: Namespace;
  guest: Namespace;
  actor: Actor;
  /** IPv6 addresses after {@link World.plumbIpv6}. */
  ipv6: string;
}

export interface World extends HostWorld {
  a: Guest;
  b: Guest;
  actors: { host: Actor; outside: Actor; slotA: Actor };
  /** Installs the rules of either layer, enforcing or lifted. */
  setRules(mode: { host: FirewallMode; slot: FirewallMode }): Promise<void>;
  /** Gives guest A rules of its owner's. */
  restrict(egress: Egress): Promise<void>;
  plumbIpv6(): Promise<void>;
}

/** The whole world; the slots come from a pool, and processes in namespaces play the guests. */
export async function makeWorld(scope: Scope): Promise<World> {
  const hostWorld = await makeHost(scope);
  const { block, host, outside, side } = hostWorld;
  const dns = OUTSIDE.resolver;
  const guestNamespaces = [
    await Namespace.create(scope, host.name.replace("host", "guest0")),
    await Namespace.create(scope, host.name.replace("host", "guest1")),
  ];
  await scope.take(
    "block network",
    () => openBlockNetwork({ block, dns, host: side }),
    async () => void (await closeBlockNetwork(block, side)),
  );
  const pool = await scope.take(
    "slot pool",
    () =>
      new SlotPool({
        block,
        dns,
        max: 2,
        host: side,
        device: ({ slot }) => ({
          kind: "veth",
          peerNetns: guestNamespaces[slot]?.name ?? "",
          peerName: "eth0",
        }),
      }),
    (value) => value.close(),
  );

  const guest = async (name: string): Promise<Guest> => {
    const plan = await pool.acquire();
    const namespace = guestNamespaces[plan.slot] as Namespace;
    await namespace.ip(
      `link set eth0 address ${GUEST.mac}`,
      `addr add ${GUEST.address}/${GUEST.prefixLength} dev eth0`,
      "link set eth0 up",
      `route add default via ${GUEST.gateway}`,
    );
    const actor = await namespace.enter(scope, name);
    return { plan, slot: Namespace.of(plan.netns), guest: namespace, actor, ipv6: `fd00:a${plan.slot}::21` };
  };
  const [a, b] = [await guest("guestA"), await guest("guestB")];
  return {
    ...hostWorld,
    a,
    b,
    actors: {
      host: await host.enter(scope, "host"),
      outside: await outside.enter(scope, "outside", OUTSIDE.resolver),
      slotA: await a.slot.enter(scope, "slotA"),
    },
    setRules: async (mode) => {
      await applyHostRules({ plan: planBlock(block), dns, mode: mode.host }, side);
      for (const { plan } of [a, b]) await applySlotRules({ plan, dns, mode: mode.slot });
    },
    restrict: (egress) => pool.restrict(a.plan, egress),
    plumbIpv6: () => plumbIpv6(hostWorld, [a, b]),
  };
}

/**
 * What a slot never has: IPv6 from each guest to the other, the host and the outside. Without duplicate
 * address detection (`nodad`) there is nothing to wait for; neighbours are asked from link-local addresses.
 */
async function plumbIpv6({ host, outside }: HostWorld, guests: Guest[]): Promise<void> {
  await host.sysctl("net.ipv6.conf.all.forwarding=1");
  await host.ip("addr add fd00:ff::2/64 dev uplink0 nodad", "route add default via fd00:ff::1");
  await outside.ip(
    "addr add fd00:ff::1/64 dev out0 nodad",
    ...OUTSIDE.forbidden6.map((address) => `addr add ${address}/128 dev lo nodad`),
    "route add default via fd00:ff::2",
  );
  for (const { plan, slot, guest, ipv6 } of guests) {
    const link = `fd00:b${plan.slot}`;
    const lan = `fd00:a${plan.slot}`;
    await slot.sysctl("net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.all.forwarding=1");
    await host.sysctl(`net.ipv6.conf.${plan.hostLink}.disable_ipv6=0`);
    await host.ip(
      `addr add ${link}::1/64 dev ${plan.hostLink} nodad`,
      `addr add fe80::1/64 dev ${plan.hostLink} nodad`,
      `route add ${lan}::/64 via ${link}::2`,
    );
    await slot.ip(
      `addr add ${link}::2/64 dev ${UPLINK} nodad`,
      `addr add fe80::2/64 dev ${UPLINK} nodad`,
      `addr add ${lan}::22/64 dev ${GUEST.tap} nodad`,
      `addr add fe80::22/64 dev ${GUEST.tap} nodad`,
      `route add default via ${link}::1`,
    );
    await guest.ip(
      `addr add ${ipv6}/64 dev eth0 nodad`,
      "addr add fe80::21/64 dev eth0 nodad",
      `route add default via ${lan}::22`,
    );
  }
}
