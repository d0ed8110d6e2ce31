// What a guest can reach, shown on real packets. Every forbidden address has an owner who answers: with
// the rules lifted the guest hears him (the control), with the rules it does not.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Scope } from "@wrenn/core";
import { GUEST, UPLINK } from "@wrenn/linux";
import { PORTS } from "./actor.ts";
import type { Target } from "./namespace.ts";
import { HOST, makeWorld, OUTSIDE, type World } from "./world.ts";

/** Longer than an answer takes on a busy machine; what is denied is waited for as long. */
const PATIENCE_MS = 1500;

const LIFTED = { host: "lifted", slot: "lifted" } as const;
const ENFORCED = { host: "enforce", slot: "enforce" } as const;

const scope = new Scope();
let world: World;
before(async () => {
  world = await makeWorld(scope);
});
after(() => scope.close());

const service = (address: string): Target => ({ address, port: PORTS.service });

/** Who must not be reached by guest A, by the name of the one who owns the address. */
function forbidden(): { owner: string; target: Target }[] {
  const { a, b } = world;
  return [
    ...OUTSIDE.forbidden.map((address) => ({ owner: "outside", target: service(address) })),
    { owner: "outside", target: service(`::ffff:${OUTSIDE.forbidden[1]}`) },
    { owner: "outside", target: service(OUTSIDE.resolver) },
    { owner: "outside", target: { address: OUTSIDE.resolver, port: PORTS.dns } },
    { owner: "outside", target: { address: OUTSIDE.resolver, port: PORTS.dns, protocol: "udp" as const } },
    ...[HOST.uplink, HOST.publicAddress, HOST.privateAddress, a.plan.hostAddress, b.plan.hostAddress].map(
      (address) => ({ owner: "host", target: service(address) }),
    ),
    { owner: "slotA", target: service(GUEST.gateway) },
    { owner: "slotA", target: service(a.plan.slotAddress) },
    { owner: "guestB", target: { address: b.plan.guestAddress, port: PORTS.agent } },
    { owner: "guestB", target: service(b.plan.guestAddress) },
  ];
}

function forbidden6(): { owner: string; target: Target }[] {
  return [
    ...OUTSIDE.forbidden6.map((address) => ({ owner: "outside", target: service(address) })),
    { owner: "host", target: service("fd00:ff::2") },
    { owner: "slotA", target: service(`fd00:a${world.a.plan.slot}::22`) },
    { owner: "slotA", target: service("fe80::22%eth0") },
    { owner: "guestB", target: { address: world.b.ipv6, port: PORTS.agent } },
  ];
}

/** Asserts for all targets at once who answers guest A: their owners, or nobody. */
async function assertReached(list: { owner: string; target: Target }[], expected: "owners" | "nobody") {
  const answers = await Promise.all(list.map(({ target }) => world.a.actor.reach(target, PATIENCE_MS)));
  assert.deepEqual(
    list.map(
      ({ target }, i) => `${target.protocol ?? "tcp"} ${target.address} ${target.port}: ${answers[i]?.name}`,
    ),
    list.map(
      ({ target, owner }) =>
        `${target.protocol ?? "tcp"} ${target.address} ${target.port}: ${expected === "owners" ? owner : undefined}`,
    ),
  );
}

async function assertWhatIsAllowed() {
  const { a, b, actors } = world;
  const reach = (target: Target) => a.actor.reach(target, PATIENCE_MS);
  assert.deepEqual(await reach(service(OUTSIDE.publicAddress)), { name: "outside", peer: HOST.uplink });
  for (const protocol of ["udp", "tcp"] as const) {
    const resolver = { address: GUEST.resolver, port: PORTS.dns, protocol };
    assert.deepEqual(
      await reach(resolver),
      { name: "outside", peer: HOST.uplink },
      `resolver by ${protocol}`,
    );
  }
  for (const [guest, name] of [
    [a, "guestA"],
    [b, "guestB"],
  ] as const) {
    const agent = { address: guest.plan.guestAddress, port: PORTS.agent };
    assert.deepEqual(await actors.host.reach(agent, PATIENCE_MS), { name, peer: GUEST.gateway });
  }
}

describe("a guest", () => {
  it("is in a world from which no packet can leave", async () => {
    for (const namespace of [
      world.host,
      world.outside,
      world.a.slot,
      world.a.guest,
      world.b.slot,
      world.b.guest,
    ]) {
      const links = JSON.parse(await namespace.exec(["ip", "-d", "-j", "link", "show"])) as {
        ifname: string;
        linkinfo?: { info_kind: string };
      }[];
      for (const link of links)
        assert.ok(link.ifname === "lo" || link.linkinfo?.info_kind === "veth", link.ifname);
    }
    for (const { target } of forbidden().filter(({ owner }) => owner === "outside")) {
      const address = target.address.replace("::ffff:", "");
      const [route] = JSON.parse(await world.host.exec(["ip", "-j", "route", "get", address])) as {
        dev: string;
      }[];
      assert.equal(route?.dev, "uplink0", address);
    }
  });

  it("reaches the public network, its resolver, and is reached by the host", assertWhatIsAllowed);

  it("reaches nothing that is forbidden", () => assertReached(forbidden(), "nobody"));

  it("has no IPv6 at all", async () => {
    for (const namespace of [world.a.slot, world.b.slot]) {
      assert.equal((await namespace.exec(["ip", "-6", "addr", "show"])).trim(), "");
    }
    const link = await world.host.exec(["ip", "-6", "addr", "show", "dev", world.a.plan.hostLink]);
    assert.equal(link.trim(), "");
  });
});

describe("a guest with rules of its owner's", () => {
  const reach = async (target: Target) => (await world.a.actor.reach(target, PATIENCE_MS))?.name;
  const resolver = { address: GUEST.resolver, port: PORTS.dns, protocol: "udp" as const };
  after(() => world.restrict({ allow: [], deny: [] }));

  it("goes nowhere when everything is denied, and is still reached by the host", async () => {
    await world.restrict({ allow: [], deny: ["0.0.0.0/0"] });
    assert.equal(await reach(service(OUTSIDE.publicAddress)), undefined);
    assert.equal(await reach(resolver), undefined, "names would be a way out");
    const agent = { address: world.a.plan.guestAddress, port: PORTS.agent };
    assert.equal((await world.actors.host.reach(agent, PATIENCE_MS))?.name, "guestA");
  });

  it("goes where it is allowed to although the rest is denied, and never where no guest may", async () => {
    await world.restrict({ allow: [`${OUTSIDE.publicAddress}/32`], deny: ["0.0.0.0/0"] });
    assert.equal(await reach(service(OUTSIDE.publicAddress)), "outside");
    assert.equal(await reach(resolver), "outside");
    await world.restrict({ allow: ["0.0.0.0/0"], deny: [] });
    await assertReached(forbidden(), "nobody");
  });

  it("does not go where it is denied", async () => {
    await world.restrict({ allow: [], deny: [OUTSIDE.publicAddress] });
    assert.equal(await reach(service(OUTSIDE.publicAddress)), undefined);
    await world.restrict({ allow: [], deny: [] });
    assert.equal(await reach(service(OUTSIDE.publicAddress)), "outside");
    await assert.rejects(world.restrict({ allow: ["; accept"], deny: [] }), { code: "invalid_argument" });
  });
});

describe("with IPv6 made to work", () => {
  before(() => world.plumbIpv6());

  it("the control: without rules everything forbidden is reached", async () => {
    await world.setRules(LIFTED);
    await assertReached([...forbidden(), ...forbidden6()], "owners");
  });

  it("the rules alone deny it all, and allow the rest", async () => {
    await world.setRules(ENFORCED);
    await assertReached([...forbidden(), ...forbidden6()], "nobody");
    await assertWhatIsAllowed();
  });
});

describe("each layer alone", () => {
  it("the host's rules deny all that is beyond the slot, the resolver's port excepted", async () => {
    await world.setRules({ host: "enforce", slot: "lifted" });
    const isAllowed = ({ owner, target }: { owner: string; target: Target }) =>
      owner === "slotA" || target.port === PORTS.dns;
    const all = [...forbidden(), ...forbidden6()];
    await assertReached(all.filter(isAllowed), "owners");
    await assertReached(
      all.filter((entry) => !isAllowed(entry)),
      "nobody",
    );
  });

  it("the slot's rules deny all but the public addresses of the host", async () => {
    await world.setRules({ host: "lifted", slot: "enforce" });
    const hostPublic: string[] = [HOST.uplink, HOST.publicAddress];
    const isPublic = ({ target }: { target: Target }) => hostPublic.includes(target.address);
    const all = [...forbidden(), ...forbidden6()];
    await assertReached(all.filter(isPublic), "owners");
    await assertReached(
      all.filter((entry) => !isPublic(entry)),
      "nobody",
    );
  });
});

describe("the outside", () => {
  const reachA = () =>
    world.actors.outside.reach({ address: world.a.plan.guestAddress, port: PORTS.agent }, PATIENCE_MS);

  it("begins no connection to a guest", async () => {
    await world.setRules(LIFTED);
    assert.equal((await reachA())?.name, "guestA");
    await world.setRules(ENFORCED);
    assert.equal(await reachA(), undefined);
  });
});

describe("a guest that calls itself something else", () => {
  const FALSE_ADDRESS = "10.77.0.1";
  const FALSE_MAC = "02:fc:00:00:00:99";
  const reach = (target: Target) => world.a.actor.reach(target, PATIENCE_MS);

  it("is not heard from another address, not even by a guest that it could be routed to", async () => {
    const { a, b, host } = world;
    // Everything on the way is made to let it through.
    await a.guest.ip(
      `addr del ${GUEST.address}/${GUEST.prefixLength} dev eth0`,
      `addr add ${FALSE_ADDRESS}/32 dev eth0`,
      `route replace default via ${GUEST.gateway} dev eth0 onlink src ${FALSE_ADDRESS}`,
    );
    await a.slot.ip(
      `route add ${FALSE_ADDRESS}/32 dev ${GUEST.tap}`,
      `neigh replace ${FALSE_ADDRESS} lladdr ${GUEST.mac} dev ${GUEST.tap} nud permanent`,
      `route add ${GUEST.address}/32 via ${a.plan.hostAddress} dev ${UPLINK}`,
    );
    await host.ip(`route add ${GUEST.address}/32 via ${b.plan.slotAddress} dev ${b.plan.hostLink}`);
    try {
      const neighbour = { address: GUEST.address, port: PORTS.agent };
      await world.setRules(LIFTED);
      assert.equal((await reach(service(OUTSIDE.publicAddress)))?.name, "outside");
      assert.equal((await reach(neighbour))?.name, "guestB");
      await world.setRules(ENFORCED);
      assert.equal(await reach(service(OUTSIDE.publicAddress)), undefined);
      assert.equal(await reach(neighbour), undefined);
    } finally {
      await host.ip(`route del ${GUEST.address}/32`);
      await a.slot.ip(
        `route del ${FALSE_ADDRESS}/32`,
        `route del ${GUEST.address}/32 via ${a.plan.hostAddress}`,
      );
      await a.guest.ip(
        `addr add ${GUEST.address}/${GUEST.prefixLength} dev eth0`,
        `route replace default via ${GUEST.gateway} dev eth0 src ${GUEST.address}`,
        `addr del ${FALSE_ADDRESS}/32 dev eth0`,
      );
    }
    await assertWhatIsAllowed();
  });

  it("is not heard from another MAC", async () => {
    const { a } = world;
    const call = async (mac: string) => {
      await a.guest.ip(`link set eth0 address ${mac}`);
      await a.slot.ip(`neigh replace ${GUEST.address} lladdr ${mac} dev ${GUEST.tap} nud permanent`);
    };
    await call(FALSE_MAC);
    try {
      await world.setRules(LIFTED);
      assert.equal((await reach(service(OUTSIDE.publicAddress)))?.name, "outside");
      await world.setRules(ENFORCED);
      assert.equal(await reach(service(OUTSIDE.publicAddress)), undefined);
    } finally {
      await call(GUEST.mac);
    }
    await assertWhatIsAllowed();
  });
});
