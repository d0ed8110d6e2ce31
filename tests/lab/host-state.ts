// What sandboxes hold of the lab's host, by name.

import type { LabGuest } from "../../lab/guest/lab-guest.ts";
import { INSIDE } from "../../lab/layout.ts";
import { ANY_MACHINE, sandboxOf } from "./machines.ts";

export interface HostHoldings {
  /** Device-mapper devices. */
  devices: string[];
  /** Files behind loop devices. */
  loops: string[];
  /** Directories of lives below the data directory. */
  files: string[];
  /** Sandboxes whose VMM runs. */
  machines: string[];
}

export class HostState {
  readonly #guest: LabGuest;

  constructor(guest: LabGuest) {
    this.#guest = guest;
  }

  /**
   * Waits until a sandbox holds nothing any more. Its caller has been told of a pause or an end before all is tidied up.
   * Throws with what is left after `deadline`, `ms` since 1970.
   */
  async settles(id: string, deadline: number): Promise<void> {
    for (;;) {
      const { devices, loops, files, machines } = await this.read();
      const own = [...devices, ...loops, ...files, ...machines].filter((name) => name.includes(id));
      if (own.length === 0) return;
      if (Date.now() > deadline) throw new Error(`${id} still holds ${own.join(", ")}`);
    }
  }

  async read(): Promise<HostHoldings> {
    const lines = async (...argv: [string, ...string[]]) =>
      (await this.#guest.attempt(argv)).stdout.toString().split("\n").filter(Boolean).sort();
    const devices = await lines("dmsetup", "info", "--columns", "--noheadings", "--options", "name");
    const loops = await lines("losetup", "--noheadings", "--list", "--output", "BACK-FILE");
    const files = await lines(
      "find",
      `${INSIDE.data}/sandboxes`,
      "-mindepth",
      "2",
      "-maxdepth",
      "2",
      "-type",
      "d",
    );
    const machines = await lines("pgrep", "--list-full", "--full", ANY_MACHINE);
    return {
      devices: devices.filter((name) => name !== "No devices found"),
      loops: loops.map((file) => file.trim()),
      files,
      machines: machines.flatMap((line) => sandboxOf(line) ?? []),
    };
  }
}
