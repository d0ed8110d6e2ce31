import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pino } from "pino";
import type { GuestMetrics } from "../guest/metrics.ts";
import { Activity } from "./activity.ts";
import { MAX_SAMPLES, type Sampled, Samples } from "./samples.ts";

const USED: GuestMetrics = {
  cpus: 1,
  cpuUsedPct: 1,
  memTotal: 2,
  memUsed: 1,
  memCache: 0,
  diskTotal: 2,
  diskUsed: 1,
};

/** A sandbox whose guest counts how often it is asked. */
function fakeSandbox(id: string) {
  const fake = { asked: 0, cpuMs: 0, fails: false };
  const guest = {
    metrics: async () => {
      fake.asked++;
      if (fake.fails) throw new Error("no answer");
      return USED;
    },
  };
  const sandbox = {
    id,
    status: "running",
    // Long ago.
    activity: new Activity(undefined, () => 1),
    running: { guest, machine: { process: { pid: 1, startTime: 1, fake } } },
  } as unknown as Sampled;
  return { sandbox, fake };
}

function samplesOf(list: Sampled[]): Samples {
  return new Samples({
    list: () => list,
    log: pino({ level: "silent" }),
    cpuTimeOf: (process) => (process as unknown as { fake: { cpuMs: number } }).fake.cpuMs,
  });
}

describe("Samples", () => {
  it("asks a guest once and then only when its machine has worked or it was used", async () => {
    const { sandbox, fake } = fakeSandbox("a");
    const samples = samplesOf([sandbox]);
    await samples.round();
    await samples.round();
    assert.equal(fake.asked, 1);
    fake.cpuMs = 60_000;
    await samples.round();
    assert.equal(fake.asked, 2);
    Object.assign(sandbox, { activity: new Activity(undefined, () => Date.now() + 1000) });
    await samples.round();
    assert.equal(fake.asked, 3);
    assert.equal(samples.between("a", 0, Number.POSITIVE_INFINITY).length, 3);
    assert.deepEqual(samples.between("a", 0, 1), []);
  });

  it("keeps a bounded history, the newest", async () => {
    const { sandbox, fake } = fakeSandbox("a");
    const samples = samplesOf([sandbox]);
    for (let i = 0; i < MAX_SAMPLES + 5; i++) {
      fake.cpuMs += 60_000;
      await samples.round();
    }
    const kept = samples.between("a", 0, Number.POSITIVE_INFINITY);
    assert.equal(fake.asked, MAX_SAMPLES + 5);
    assert.equal(kept.length, MAX_SAMPLES);
    assert.ok(kept.every(({ at }, index) => at >= (kept[index - 1]?.at ?? 0)));
  });

  it("forgets sandboxes that are gone, and asks none that does not run", async () => {
    const { sandbox, fake } = fakeSandbox("a");
    const list = [sandbox];
    const samples = samplesOf(list);
    await samples.refresh(sandbox);
    await samples.refresh(sandbox);
    assert.equal(fake.asked, 1, "a sample of a moment ago stands for now");
    Object.assign(sandbox, { running: undefined });
    await samples.round();
    assert.equal(samples.between("a", 0, Number.POSITIVE_INFINITY).length, 1);
    list.length = 0;
    await samples.round();
    assert.deepEqual(samples.between("a", 0, Number.POSITIVE_INFINITY), []);
  });

  it("a guest that does not answer costs nobody else", async () => {
    const [broken, fine] = [fakeSandbox("broken"), fakeSandbox("fine")];
    broken.fake.fails = true;
    const samples = samplesOf([broken.sandbox, fine.sandbox]);
    await samples.round();
    assert.deepEqual(samples.between("broken", 0, Number.POSITIVE_INFINITY), []);
    assert.equal(samples.between("fine", 0, Number.POSITIVE_INFINITY).length, 1);
  });
});
