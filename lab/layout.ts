// Where a lab keeps things, and what it looks like from inside.
import { join } from "node:path";
import { GUEST } from "@wrenn/linux";

export const DEFAULT_LAB_DIR = "/var/lib/wrenn-lab";
export const REPOSITORY: string = join(import.meta.dirname, "..");

/** Files of one lab on the machine it runs on. All of the directory is private to root. */
export interface LabLayout {
  dir: string;
  /** What is known of the running machine; see machine/record.ts. */
  record: string;
  console: string;
  /** Disks that the lab writes, thrown away with it. */
  systemTop: string;
  storeTop: string;
  code: string;
  /** Keys and certificates of this lab alone. */
  tls: string;
}

export function labLayout(dir: string): LabLayout {
  return {
    dir,
    record: join(dir, "lab.json"),
    console: join(dir, "console.log"),
    systemTop: join(dir, "system.qcow2"),
    storeTop: join(dir, "store.qcow2"),
    code: join(dir, "code.erofs"),
    tls: join(dir, "tls"),
  };
}

/** Paths inside the lab. */
export const INSIDE = {
  /** The sources' own place: the read-only disk with the bundled programs. */
  code: "/opt/wrenn",
  /** There where FIRECRACKER_BIN names one outside. */
  firecracker: "/opt/wrenn/bin/firecracker",
  /** The large disk: build cache, guest parts and the host agent's data, on one file system so that files can be linked. */
  store: "/srv",
  node: "/srv/bin/node",
  guest: "/srv/guest.json",
  cache: "/srv/cache",
  data: "/srv/data",
  tls: "/srv/tls",
  /** What tests bring along. */
  tests: "/srv/tests",
  agentLog: "/srv/host-agent.log",
  agentSocket: "/run/wrenn/0/agent.sock",
} as const;

/** TCP port inside the lab where the host agent serves its RPC. */
export const HOST_AGENT_PORT = 7443;

/**
 * The network that QEMU plays to the lab. The lab is an ordinary guest, so its address is fixed; the network is larger
 * than the guest takes it for, because QEMU's DHCP and name servers want addresses too. It leads nowhere (`restrict`):
 * only the forwarded ports of the machine's loopback reach into the lab.
 */
export const NETWORK = {
  net: "169.254.0.16/28",
  host: GUEST.gateway,
  dns: "169.254.0.19",
  dhcpStart: "169.254.0.20",
  address: GUEST.address,
} as const;
