// A platform of its own, and what E2B's unmodified client needs to find it: one plain port for API and sandboxes.
import { planSlot, run } from "@wrenn/linux";
import { Sandbox, type SandboxOpts } from "e2b";
import { type Platform, startPlatform } from "../e2e/platform.ts";

export interface E2bPlatform {
  platform: Platform;
  options: { apiKey: string; apiUrl: string; sandboxUrl: string; requestTimeoutMs: number };
  /** Makes a sandbox that is deleted with the platform at the latest. */
  sandbox(more?: SandboxOpts & { template?: string }): Promise<Sandbox>;
  /** The firewall's rules in a sandbox's network namespace, as the kernel has them. */
  rulesOf(sandbox: Sandbox): Promise<string>;
  /** A request to a port of a sandbox, as its host name would lead there. */
  fetchFrom(sandbox: Sandbox, port: number, path?: string, init?: RequestInit): Promise<Response>;
}

/** Emulated guests are slow to boot. */
const REQUEST_TIMEOUT_MS = 180_000;

export async function startE2b(env: Record<string, string> = {}): Promise<E2bPlatform> {
  const platform = await startPlatform(env);
  const options = {
    apiKey: platform.key.replace("wrn_", "e2b_"),
    apiUrl: platform.url,
    sandboxUrl: platform.url,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  };
  return {
    platform,
    options,
    sandbox: ({ template = "base", ...more } = {}) =>
      Sandbox.create(template, { ...options, timeoutMs: 600_000, ...more }),
    rulesOf: async ({ sandboxId }) => {
      const { host_ip } = await platform.client.sandboxes.get(sandboxId);
      const slot = Number(host_ip?.split(".")[3]) - 1;
      const { netns } = planSlot(platform.block, slot);
      return (await run(["ip", "netns", "exec", netns, "nft", "list", "ruleset"], { timeoutMs: 10_000 }))
        .stdout;
    },
    fetchFrom: ({ sandboxId }, port, path = "/", init = {}) =>
      fetch(`${platform.url}${path}`, {
        ...init,
        headers: {
          "e2b-sandbox-id": sandboxId,
          "e2b-sandbox-port": String(port),
          ...(init.headers as Record<string, string>),
        },
      }),
  };
}
