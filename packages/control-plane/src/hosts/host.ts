// What the control plane knows about a host.
import type { Isolation } from "../db/schema.ts";
import type { HostClient } from "./host-client.ts";

export interface Host {
  id: string;
  address: string;
  client: HostClient;
  isolation: Isolation;
  sandboxes: number;
  maxSandboxes: number;
  /** Store names of the templates and snapshots that it holds. */
  templates: ReadonlySet<string>;
  /** Those among them that are snapshots. */
  snapshots: ReadonlySet<string>;
  /** Those that were made of images, for one build each. */
  passing: ReadonlySet<string>;
  /** When each of them was made, by the host's clock, in seconds. */
  madeAt: ReadonlyMap<string, number>;
}
