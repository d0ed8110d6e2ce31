// A lab from nothing to a host agent that serves, and back.

import { startHostAgent } from "./guest/host-agent.ts";
import { LabGuest } from "./guest/lab-guest.ts";
import { setUpLab } from "./guest/set-up.ts";
import { type LabImages, makeCodeDisk, prepareImages } from "./image/images.ts";
import { labLayout } from "./layout.ts";
import { bootLab, endLab } from "./machine/boot.ts";
import { makeCertificates } from "./machine/certificates.ts";
import type { LabRecord } from "./machine/record.ts";

export interface StartLabOptions {
  /** Private directory of this lab. */
  dir: string;
  /** Build cache of this machine. */
  cacheDir: string;
  /** Told what is being done. */
  say?: (line: string) => void;
  /** Further settings of the host agent. */
  settings?: Record<string, string>;
  /** A Firecracker of this machine, which the host agent then uses unless its settings say otherwise. */
  firecracker?: string | undefined;
  signal?: AbortSignal | undefined;
}

export interface Lab {
  record: LabRecord;
  /** Process id of the host agent inside. */
  agentPid: number;
}

/** Builds what is missing, boots, and starts the host agent. On failure nothing keeps running. */
export async function startLab(options: StartLabOptions): Promise<Lab> {
  const { dir, cacheDir, say = () => undefined, settings = {}, firecracker, signal } = options;
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const began = performance.now();
    const result = await work();
    say(`${what}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
    return result;
  };
  const layout = labLayout(dir);
  const onStep = (step: { name: string; done: boolean }) => void (step.done || say(step.name));
  const images = await timed<LabImages>("images", () => prepareImages({ cacheDir, onStep, signal }));
  await timed("code", async () => {
    await makeCertificates(layout.tls);
    await makeCodeDisk(layout.code, { firecracker, signal });
  });
  const record = await timed("boot", () => bootLab(dir, images, signal));
  // What is asked of it then fails.
  const giveUp = () => void endLab(record);
  signal?.addEventListener("abort", giveUp, { once: true });
  try {
    signal?.throwIfAborted();
    using guest = new LabGuest(record);
    await timed("disks and modules", () => setUpLab(guest, layout.tls));
    const agentPid = await timed("host agent", () => startHostAgent(record, guest, settings));
    return { record, agentPid };
  } catch (reason) {
    await endLab(record);
    throw reason;
  } finally {
    signal?.removeEventListener("abort", giveUp);
  }
}
