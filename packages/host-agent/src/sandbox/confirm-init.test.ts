// A guest that has not become what it was told is never taken for running.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { WrennError } from "@wrenn/core";
import type { Machine, MachineExit } from "@wrenn/vmm";
import { GuestClient, type GuestIdentity } from "../guest/client.ts";
import { confirming, FakeGuest } from "../testing/fake-guest.ts";
import { newSandbox } from "../testing/fake-host.ts";
import { confirmInit, type InitArguments } from "./confirm-init.ts";
import type { Sandbox } from "./sandbox.ts";

/** For what does not hang. */
const DEADLINE_MS = 30_000;

let guest: FakeGuest;
let port: number;
beforeEach(async () => {
  guest = new FakeGuest();
  port = await guest.listen();
});
afterEach(() => guest[Symbol.asyncDispose]());

function machine(exited: Promise<MachineExit> = new Promise(() => {})): Machine {
  return { exited, consoleTail: async () => "[ 9.1] Oops\n" } as unknown as Machine;
}

/** The init of a clone, unless something else is asked for. */
async function confirm(more: Partial<InitArguments> = {}): Promise<Sandbox> {
  const { sandbox = newSandbox() } = more;
  const client = new GuestClient({ host: "127.0.0.1", token: sandbox.record.token, port });
  try {
    await confirmInit({
      guest: client,
      machine: machine(),
      sandbox,
      heldToken: "held",
      isItself: false,
      deadlineMs: DEADLINE_MS,
      ...more,
    });
  } finally {
    client.close();
  }
  return sandbox;
}

describe("confirmInit()", () => {
  it("tells each clone who it is, in the name of who it was", async () => {
    const sandboxes = [await confirm({ sandbox: newSandbox({ envs: { A: "1" } }) }), await confirm()];
    const [first, second] = guest.told;
    assert.ok(first && second && guest.told.length === 2);
    for (const [index, { token, init }] of guest.told.entries()) {
      const { id, record } = sandboxes[index] as Sandbox;
      assert.deepEqual([token, init.accessToken, init.hostname], ["held", record.token, id]);
      assert.match(init.machineId ?? "", /^[0-9a-f]{32}$/);
      assert.equal(Buffer.from(init.entropy ?? "", "base64").length, 64);
      assert.equal(init.dropConnections, true);
      assert.ok(Math.abs(Date.parse(init.timestamp) - Date.now()) < DEADLINE_MS);
    }
    assert.notEqual(first.init.entropy, second.init.entropy);
    assert.notEqual(first.init.machineId, second.init.machineId);
    assert.deepEqual([first.init.envVars, second.init.envVars], [{ A: "1" }, undefined]);
  });

  it("speaks to a guest that has just booted with its own token, and has it drop nothing", async () => {
    const { record } = await confirm({ heldToken: undefined });
    assert.deepEqual(
      guest.told.map(({ token, init }) => [token, init.dropConnections]),
      [[record.token, false]],
    );
  });

  const LATE: Partial<GuestIdentity> = { timeMs: Date.now() - 3_600_000 };
  const WRONG: [what: string, but: Partial<Record<keyof GuestIdentity, unknown>>, named: RegExp][] = [
    ["its kernel was not reseeded", { reseeded: false }, /did not take over its random numbers$/],
    ["it says so in other words", { reseeded: "yes" }, /did not take over its random numbers$/],
    ["it keeps its machine id", { machineId: "0".repeat(32) }, /did not take over its machine id$/],
    ["it has no machine id", { machineId: null }, /did not take over its machine id$/],
    ["it keeps its host name", { hostname: "sb-0000000000000000" }, /did not take over its host name$/],
    ["its clock stays late", LATE, /did not take over its clock$/],
    ["its clock is ahead", { timeMs: Date.now() + 3_600_000 }, /did not take over its clock$/],
    ["it does not tell its time", { timeMs: undefined }, /did not take over its clock$/],
    [
      "nothing of it is true",
      { ...LATE, hostname: "x", machineId: "y", reseeded: false },
      /did not take over its random numbers, its host name, its machine id, its clock$/,
    ],
  ];
  for (const [what, but, named] of WRONG)
    it(`fails when ${what}`, async () => {
      guest.answer = ({ init }) => confirming(init, but as Partial<GuestIdentity>);
      await assert.rejects(confirm(), { name: "WrennError", code: "internal", message: named });
    });

  it("fails when the answer is no confirmation at all", async () => {
    for (const body of ["", "{", "null", "[]", "ok"]) {
      guest.answer = () => ({ status: 200, body });
      await assert.rejects(confirm(), /its random numbers, its host name, its machine id, its clock$/, body);
    }
  });

  it("waits for a clock that gets there", async () => {
    guest.answer = ({ init }, count) => confirming(init, count < 5 ? LATE : {});
    await confirm();
    assert.equal(guest.told.length, 5);
    // Only the clock is told again: what was confirmed once stays.
    for (const { init } of guest.told.slice(1)) assert.deepEqual(Object.keys(init), ["timestamp"]);
  });

  it("lets who goes on as itself keep a machine id that cannot be written, and nothing else", async () => {
    guest.answer = ({ init }) => confirming(init, { machineId: "0".repeat(32) });
    await confirm({ isItself: true });
    guest.answer = ({ init }) => confirming(init, { reseeded: false, ...LATE });
    await assert.rejects(confirm({ isItself: true }), /did not take over its random numbers, its clock$/);
  });

  it("fails with the guest's own words when it refuses, and with what was seen of it", async () => {
    guest.answer = () => ({ status: 500, body: { message: "could not reseed the kernel: EPERM" } });
    await assert.rejects(confirm(), (reason) => {
      assert.ok(reason instanceof WrennError && reason.cause instanceof WrennError);
      assert.match(reason.message, /^the guest did not confirm its init; its console ends with:\n.*Oops$/);
      assert.match(reason.cause.message, /^could not reseed the kernel: EPERM$/);
      return true;
    });
  });

  it("fails when the guest does not answer in time, or its machine ends meanwhile", async () => {
    guest.answer = () => "nothing";
    await assert.rejects(confirm({ deadlineMs: 30 }), /did not confirm its init/);
    const ended = machine(Promise.resolve({ status: 1 }));
    await assert.rejects(confirm({ machine: ended }), /did not confirm its init/);
  });

  it("ends with a sandbox that is deleted meanwhile, for that reason", async () => {
    guest.answer = () => "nothing";
    const sandbox = newSandbox();
    const reason = new WrennError("not_found", "deleted");
    const confirming = confirm({ sandbox });
    sandbox.gone.abort(reason);
    await assert.rejects(confirming, reason);
  });
});
