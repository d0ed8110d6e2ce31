// IPv4 forwarding of the machine's uplinks: switched on by the first instance, put back by the last.
import { existsSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_RUN_DIR, type HostSide, inNetns } from "../run/host-side.ts";
import { run } from "../run/run.ts";
import { listNetns } from "../slot/links.ts";

const TIMEOUT_MS = 10_000;

/** What the machine was like before the first instance. Kept in the run directory. */
interface Before {
  /** Blocks that need forwarding now. */
  users: number[];
  /** `forwarding` of each uplink. */
  forwarding: { [uplink: string]: string };
  /** Whether ip-netns(8) had its directory mounted; it mounts that for the first namespace and never unmounts. */
  netnsMounted: boolean;
}

/**
 * Lets answers from outside through to the slots: a packet is forwarded when the interface that it came
 * in by forwards. Only the interfaces of default routes are changed, not `ip_forward`, which would turn
 * the machine into a router between all its networks. What they were is recorded first. The caller holds
 * the machine lock.
 */
export async function joinForwarding(block: number, host: HostSide): Promise<void> {
  const before = readBefore(host) ?? { users: [], forwarding: {}, netnsMounted: isNetnsMounted() };
  const uplinks = await listUplinks(host);
  for (const uplink of uplinks) before.forwarding[uplink] ??= await readSysctl(forwardingOf(uplink), host);
  if (!before.users.includes(block)) before.users.push(block);
  writeBefore(host, before);
  for (const uplink of uplinks) await writeSysctl(forwardingOf(uplink), "1", host);
}

/** Undoes {@link joinForwarding}; the last block puts the machine back as it was. */
export async function leaveForwarding(block: number, host: HostSide): Promise<void> {
  const before = readBefore(host);
  if (!before) return;
  before.users = before.users.filter((user) => user !== block);
  if (before.users.length > 0) return writeBefore(host, before);
  for (const [uplink, value] of Object.entries(before.forwarding)) {
    await writeSysctl(forwardingOf(uplink), value, host);
  }
  if (!before.netnsMounted) await unmountNetns();
  rmSync(recordFile(host));
}

async function listUplinks(host: HostSide): Promise<string[]> {
  const { stdout } = await run(inNetns(host.netns, ["ip", "-j", "-4", "route", "show", "default"]), {
    timeoutMs: TIMEOUT_MS,
  });
  const routes = JSON.parse(stdout || "[]") as { dev?: string; nexthops?: { dev: string }[] }[];
  return [...new Set(routes.flatMap((route) => route.dev ?? route.nexthops?.map((hop) => hop.dev) ?? []))];
}

/** sysctl(8) takes slashes as separators, so that the dots of `eth0.5` are not. */
function forwardingOf(uplink: string): string {
  return `net/ipv4/conf/${uplink}/forwarding`;
}

async function readSysctl(key: string, host: HostSide): Promise<string> {
  const { stdout } = await run(inNetns(host.netns, ["sysctl", "-n", key]), { timeoutMs: TIMEOUT_MS });
  return stdout.trim();
}

/** An interface that has gone (`-e`) needs nothing. */
async function writeSysctl(key: string, value: string, host: HostSide): Promise<void> {
  await run(inNetns(host.netns, ["sysctl", "-e", "-q", "-w", `${key}=${value}`]), { timeoutMs: TIMEOUT_MS });
}

async function unmountNetns(): Promise<void> {
  const isUnused = () => isNetnsMounted() && listNetns().length === 0;
  if (!isUnused()) return;
  try {
    await run(["umount", "/run/netns"], { timeoutMs: TIMEOUT_MS });
    rmdirSync("/run/netns");
  } catch (error) {
    if (isUnused()) throw error; // otherwise somebody has begun to use it
  }
}

function isNetnsMounted(): boolean {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .some((mount) => mount.split(" ")[1] === "/run/netns");
}

function recordFile(host: HostSide): string {
  return join(host.runDir ?? DEFAULT_RUN_DIR, "before.json");
}

function readBefore(host: HostSide): Before | undefined {
  const file = recordFile(host);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Before) : undefined;
}

function writeBefore(host: HostSide, before: Before): void {
  const file = recordFile(host);
  writeFileSync(`${file}.new`, JSON.stringify(before), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
