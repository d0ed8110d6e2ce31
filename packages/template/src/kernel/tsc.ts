// The frequency of the host's time stamp counter, which a guest under TCG counts with.
import { readFile } from "node:fs/promises";
import { WrennError } from "@wrenn/core";
import { type CommandError, run } from "@wrenn/linux";

/**
 * Where a figure comes from. Two of the same source can be compared, but for `current`:
 * - `refined`: measured by the host's kernel for a second. From one boot to the next it varies by a few parts per million.
 * - `detected`: known to the kernel at its start (from the processor or a hypervisor), or else measured there briefly; then
 *   a refined figure follows.
 * - `nominal`: from the name of the processor's model.
 * - `current`: what the processor runs at, which with frequency scaling is anything.
 */
export type TscSource = "refined" | "detected" | "nominal" | "current";

export interface HostTsc {
  khz: number;
  source: TscSource;
  /** Whether KVM can have a guest count at another frequency than the host's. */
  scales: boolean;
}

/**
 * The host's figure: what its kernel said at its start, `tsc: Detected 2000.000 MHz processor`; when that is gone from the
 * kernel's log (or may not be read), the speed in /proc/cpuinfo, whose `cpu MHz` is the counter's own on machines without
 * frequency scaling and near enough for an early guess elsewhere.
 *
 * @throws `internal` when neither is to be had.
 */
export async function hostTsc(): Promise<HostTsc> {
  const cpuinfo = await readFile("/proc/cpuinfo", "utf8");
  const figure = tscFromLog(await kernelLog()) ?? tscFromCpuinfo(cpuinfo);
  if (figure === undefined) {
    throw new WrennError(
      "internal",
      "this machine names no frequency of its time stamp counter in /proc/cpuinfo",
    );
  }
  return { ...figure, scales: scalesTsc(cpuinfo) };
}

/** See {@link hostTsc}; in kHz, for a guest's kernel. */
export async function tscKhz(): Promise<number> {
  return (await hostTsc()).khz;
}

/** From the kernel's log. The last figure wins: a refined calibration over the first, a counter over its processor. */
export function tscFromLog(log: string): Omit<HostTsc, "scales"> | undefined {
  const figures = [
    ...log.matchAll(/tsc: (Detected|Refined TSC clocksource calibration:) ([0-9]+\.[0-9]+) MHz/g),
  ];
  const [, how, mhz] = figures.at(-1) ?? [];
  return mhz === undefined
    ? undefined
    : { khz: toKhz(mhz), source: how === "Detected" ? "detected" : "refined" };
}

/** From /proc/cpuinfo: the nominal speed in the model's name (`@ 2.40GHz`), else the current one. */
export function tscFromCpuinfo(text: string): Omit<HostTsc, "scales"> | undefined {
  const ghz = /^model name.*@ ([0-9.]+)GHz/m.exec(text)?.[1];
  if (ghz !== undefined) return { khz: Math.round(Number(ghz) * 1_000_000), source: "nominal" };
  const mhz = /^cpu MHz\s*: ([0-9.]+)$/m.exec(text)?.[1];
  return mhz === undefined ? undefined : { khz: toKhz(mhz), source: "current" };
}

/** What KVM asks the processor for: `tsc_scale` of AMD, `tsc_scaling` among what Intel's has for virtual machines. */
export function scalesTsc(cpuinfo: string): boolean {
  return /^(?:flags|vmx flags)\s*:.* tsc_scal(?:e|ing)\b/m.test(cpuinfo);
}

function toKhz(mhz: string): number {
  return Math.round(Number(mhz) * 1000);
}

async function kernelLog(): Promise<string> {
  try {
    return (await run(["dmesg"], { timeoutMs: 10_000, maxOutput: 16 * 1024 * 1024 })).stdout;
  } catch (reason) {
    if ((reason as CommandError).reason === "exit") return "";
    throw reason;
  }
}
