// Which links and network namespaces there are.
import { existsSync, readdirSync } from "node:fs";
import { type HostSide, inNetns } from "../run/host-side.ts";
import { run } from "../run/run.ts";

const NETNS_DIR = "/run/netns";

/** Names of the links on the host's side. */
export async function listLinks(host: HostSide = {}): Promise<string[]> {
  const { stdout } = await run(inNetns(host.netns, ["ip", "-j", "link", "show"]), {
    timeoutMs: 10_000,
    maxOutput: 64 * 1024 * 1024,
  });
  return (JSON.parse(stdout) as { ifname: string }[]).map((link) => link.ifname);
}

export async function hasLink(name: string, host: HostSide = {}): Promise<boolean> {
  return (await listLinks(host)).includes(name);
}

/** Names of the network namespaces that ip-netns(8) knows. */
export function listNetns(): string[] {
  return existsSync(NETNS_DIR) ? readdirSync(NETNS_DIR) : [];
}

export function hasNetns(name: string): boolean {
  return existsSync(`${NETNS_DIR}/${name}`);
}
