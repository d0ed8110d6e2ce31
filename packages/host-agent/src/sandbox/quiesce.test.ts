import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Machine } from "@wrenn/vmm";
import { GuestClient } from "../guest/client.ts";
import { FakeGuest } from "../testing/fake-guest.ts";
import { listeningLog } from "../testing/fake-host.ts";
import { unquiesce } from "./quiesce.ts";

const machine = { exited: new Promise(() => {}) } as unknown as Machine;

describe("unquiesce()", () => {
  it("gives the guest the time that has passed while it stood still, and nothing else", async () => {
    await using fake = new FakeGuest();
    const guest = new GuestClient({ host: "127.0.0.1", token: "held", port: await fake.listen() });
    const before = Date.now();
    await unquiesce({ guest, machine }, listeningLog().log);
    guest.close();
    const [told] = fake.told;
    assert.equal(told?.token, "held");
    assert.deepEqual(Object.keys(told.init), ["timestamp"]);
    const time = Date.parse(told.init.timestamp);
    assert.ok(time >= before && time <= Date.now());
  });

  it("is not more than a warning when the guest does not take it", async () => {
    await using fake = new FakeGuest();
    fake.answer = () => ({ status: 500, body: "no" });
    const guest = new GuestClient({ host: "127.0.0.1", token: "held", port: await fake.listen() });
    const { log, lines } = listeningLog();
    await unquiesce({ guest, machine }, log);
    guest.close();
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ["the guest was not told that it goes on"],
    );
  });
});
