// What this machine is, as the control plane sees it.
import { cpus, freemem, totalmem } from "node:os";
import type { Accelerator } from "@wrenn/vmm";
import type { Capacity } from "./sandbox/capacity.ts";

export const AGENT_VERSION = "0.1.0";

export class HostInfo {
  readonly isolation: Accelerator;
  readonly #hostId: string;
  readonly #vmm: string;
  readonly #capacity: Capacity;

  constructor(options: { hostId: string; isolation: Accelerator; vmm: string; capacity: Capacity }) {
    this.isolation = options.isolation;
    this.#hostId = options.hostId;
    this.#vmm = options.vmm;
    this.#capacity = options.capacity;
  }

  /** The answer to GetHost. */
  describe(sandboxes: number) {
    return {
      hostId: this.#hostId,
      isolation: this.isolation,
      cpus: cpus().length,
      memoryBytes: BigInt(totalmem()),
      memoryFreeBytes: BigInt(freemem()),
      sandboxes,
      maxSandboxes: this.#capacity.limits.maxSandboxes,
      version: AGENT_VERSION,
      vmm: this.#vmm,
    };
  }
}
