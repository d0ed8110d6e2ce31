// What the guest's kernel is told at its start.
import { WrennError } from "@wrenn/core";

export interface CommandLineOptions {
  /** Frequency of the host's time stamp counter, `kHz`; see `tscKhz()`. */
  tscKhz: number;
  /** Further parameters, each without white space. */
  extra?: readonly string[] | undefined;
}

/**
 * The kernel's command line. Each parameter has a reason:
 * - `console=ttyS0`: the console goes to the host, which shows its tail when a boot fails.
 * - `quiet`: only warnings are printed there; a serial line costs emulated time by the character.
 * - `panic=-1`: a guest that cannot go on resets at once, which ends its VMM (`-no-reboot`).
 * - `reboot=t`: it resets by a triple fault, which every VMM sees. Left to itself the kernel ends in the firmware's entry
 *   at f000:fff0, where a restored guest, whose firmware has done its work, has nothing but zeros, and runs on for ever.
 * - `tsc_early_khz`: without it about every fourth boot under TCG hangs in calibrating the time stamp counter.
 * - `tsc=reliable`: the counter is not put to the test against slower clocks, which takes 0.4 s at boot, and which a busy
 *   host or a restored guest fails through no fault of the counter; it would then be abandoned.
 * - `no_timer_check`: the interrupt of the emulated timer may come late on a busy host, which is no reason to give up.
 * - `cryptomgr.notests`: the self-tests of the kernel's cryptography cost 0.7 s under TCG at every boot.
 */
export function kernelCommandLine(options: CommandLineOptions): string {
  const { tscKhz, extra = [] } = options;
  if (!Number.isSafeInteger(tscKhz) || tscKhz <= 0) {
    throw new WrennError("invalid_argument", "tscKhz must be a positive whole number", { field: "tscKhz" });
  }
  const wrong = extra.find((parameter) => !/^[\x21-\x7e]+$/.test(parameter));
  if (wrong !== undefined) {
    throw new WrennError("invalid_argument", `"${wrong}" is not one kernel parameter`, { field: "extra" });
  }
  return [
    "console=ttyS0",
    "quiet",
    "panic=-1",
    "reboot=t",
    `tsc_early_khz=${tscKhz}`,
    "tsc=reliable",
    "no_timer_check",
    "cryptomgr.notests",
    ...extra,
  ].join(" ");
}
