// The frequency of the host's time stamp counter, which a guest under TCG counts with.
import { readFile } from "node:fs/promises";
import { WrennError } from "@wrenn/core";
import { type CommandError, run } from "@wrenn/linux";

/**
 * The host's figure in kHz: what its kernel said at its start, `tsc: Detected 2000.000 MHz processor`; when that is gone
 * from the kernel's log (or may not be read), the speed in /proc/cpuinfo, whose `cpu MHz` is the counter's own on
 * machines without frequency scaling and near enough for an early guess elsewhere.
 *
 * @throws `internal` when neither is to be had.
 */
export async function tscKhz(): Promise<number> {
  const khz = tscKhzFromLog(await kernelLog()) ?? khzFromCpuinfo(await readFile("/proc/cpuinfo", "utf8"));
  if (khz === undefined) {
    throw new WrennError(
      "internal",
      "this machine names no frequency of its time stamp counter in /proc/cpuinfo",
    );
  }
  return khz;
}

/** kHz from the kernel's log. A later refined calibration wins over the first. */
export function tscKhzFromLog(log: string): number | undefined {
  const figures = [
    ...log.matchAll(/tsc: (?:Detected|Refined TSC clocksource calibration:) ([0-9]+\.[0-9]+) MHz/g),
  ];
  return toKhz(figures.at(-1)?.[1]);
}

/** kHz from /proc/cpuinfo: the nominal speed in the model's name (`@ 2.40GHz`), else the current one. */
export function khzFromCpuinfo(text: string): number | undefined {
  const nominal = /^model name.*@ ([0-9.]+)GHz/m.exec(text)?.[1];
  if (nominal !== undefined) return Math.round(Number(nominal) * 1_000_000);
  return toKhz(/^cpu MHz\s*: ([0-9.]+)$/m.exec(text)?.[1]);
}

function toKhz(mhz: string | undefined): number | undefined {
  return mhz === undefined ? undefined : Math.round(Number(mhz) * 1000);
}

async function kernelLog(): Promise<string> {
  try {
    return (await run(["dmesg"], { timeoutMs: 10_000, maxOutput: 16 * 1024 * 1024 })).stdout;
  } catch (reason) {
    if ((reason as CommandError).reason === "exit") return "";
    throw reason;
  }
}
