// `wrenn doctor`: what this machine can do, what is missing, and what to do about that.
import { type ProbeResult, probeHost } from "@wrenn/linux";
import type { ListenAddress } from "../listen-address.ts";
import { probeAccelerator } from "./accelerator.ts";
import { probeFirecracker } from "./firecracker.ts";
import { probePackages } from "./packages.ts";
import { existingParent, probeDisk, probeMemory, probeNode, probePort } from "./resources.ts";

export interface DoctorOptions {
  dataDir: string;
  cacheDir: string;
  listen: ListenAddress;
}

export interface Report {
  /** Whether everything is there that the platform cannot run without. */
  ready: boolean;
  checks: ProbeResult[];
}

/** Looks at everything, one after another, since some of it is measured by trying. */
export async function runDoctor({ dataDir, cacheDir, listen }: DoctorOptions): Promise<Report> {
  const checks = [
    probeNode(),
    await probePackages(),
    await probeAccelerator(cacheDir),
    await probeFirecracker(process.env),
    ...(await probeHost({ dataDir: existingParent(dataDir) })),
    await probeDisk(dataDir),
    probeMemory(),
    await probePort(listen, dataDir),
  ];
  return { ready: checks.every(({ ok, required }) => ok || !required), checks };
}

/** A line for each check, with the remedy below what is missing, and one that sums up. */
export function formatReport({ ready, checks }: Report): string {
  const lines = checks.flatMap(({ name, ok, required, detail, remedy }) => {
    const mark = ok ? "ok     " : required ? "MISSING" : "limited";
    return [`${mark}  ${name}: ${detail}`, ...(remedy === undefined ? [] : [`         → ${remedy}`])];
  });
  const verdict = ready
    ? "This machine can run sandboxes."
    : "This machine cannot run sandboxes before what is MISSING is there.";
  return `${lines.join("\n")}\n\n${verdict}\n`;
}
