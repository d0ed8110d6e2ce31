// Which host a new sandbox goes to.
import { WrennError } from "@wrenn/core";
import type { Isolation } from "../db/schema.ts";
import type { Host } from "./host.ts";

export interface Demand {
  /** Store name of the template. */
  template: string;
  minIsolation?: Isolation | undefined;
}

type Candidate = Pick<Host, "isolation" | "sandboxes" | "maxSandboxes" | "templates">;

/**
 * The emptiest host, relative to its size, that can serve the demand. A host that was full when it last
 * said so is still asked when there is no better: it alone knows, and refuses with `capacity`.
 */
export function placeSandbox<H extends Candidate>(
  hosts: readonly H[],
  { template, minIsolation }: Demand,
): H {
  if (hosts.length === 0) {
    throw new WrennError("unavailable", "no host can be reached; try again", { retryAfterSec: 1 });
  }
  const isolated = minIsolation === "kvm" ? hosts.filter((host) => host.isolation === "kvm") : hosts;
  if (isolated.length === 0) {
    throw new WrennError("isolation_unavailable", "no host offers hardware virtualisation (kvm)", {
      field: "min_isolation",
    });
  }
  const [best] = isolated.filter((host) => host.templates.has(template)).sort((a, b) => load(a) - load(b));
  if (!best) {
    throw new WrennError("unavailable", "no host that can be reached holds the template; try again", {
      retryAfterSec: 5,
    });
  }
  return best;
}

function load({ sandboxes, maxSandboxes }: Candidate): number {
  return maxSandboxes === 0 ? 1 : sandboxes / maxSandboxes;
}
