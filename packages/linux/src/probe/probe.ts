// What a host can do, for `wrenn doctor`. Each probe tries the thing itself where that changes nothing.
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { detectCgroups } from "../cgroup/detect.ts";
import { foreignForwardRules } from "../firewall/foreign.ts";
import type { HostSide } from "../run/host-side.ts";
import { run } from "../run/run.ts";

export interface ProbeResult {
  name: string;
  ok: boolean;
  /** Whether the platform cannot run without it; otherwise something is slower or missing. */
  required: boolean;
  /** What was found. */
  detail: string;
  /** What to do about it. Only when not `ok`. */
  remedy?: string;
}

/** All probes of this package. None throws. */
export async function probeHost(options: { dataDir: string; host?: HostSide }): Promise<ProbeResult[]> {
  return [
    probeTun(),
    await probeNftables(),
    await probeForwarding(options.host),
    probeCgroups(),
    probeReflink(options.dataDir),
    probeDeviceMapper(),
    probeUserfaultfd(),
  ];
}

/** Opening the device shows that the driver is there; a network device appears only with an ioctl. */
export function probeTun(): ProbeResult {
  const name = "network devices for guests (/dev/net/tun)";
  try {
    closeSync(openSync("/dev/net/tun", "r+"));
    return { name, ok: true, required: true, detail: "opens" };
  } catch (error) {
    const remedy = "load the module: modprobe tun";
    return { name, ok: false, required: true, detail: codeOf(error), remedy };
  }
}

/** `nft -c` has the kernel check a ruleset with all that ours need, without applying it. */
export async function probeNftables(): Promise<ProbeResult> {
  const name = "firewall (nftables)";
  const ruleset = [
    "table inet wrenn_probe {",
    "chain forward {",
    "type filter hook forward priority filter; policy accept;",
    "ct state new ct count over 10 drop",
    "}",
    "chain postrouting {",
    "type nat hook postrouting priority srcnat; policy accept;",
    "masquerade",
    "}",
    "}",
  ].join("\n");
  try {
    await run(["nft", "-c", ruleset], { timeoutMs: 10_000 });
    return { name, ok: true, required: true, detail: "filter, connection tracking and NAT are accepted" };
  } catch (error) {
    const remedy =
      "install nftables, run as root, and use a kernel with nf_tables, nft_ct, nft_connlimit, nft_masq";
    return { name, ok: false, required: true, detail: messageOf(error), remedy };
  }
}

/** Whether packets that our rules accept would be dropped by somebody else's. */
export async function probeForwarding(host?: HostSide): Promise<ProbeResult> {
  const name = "other firewalls";
  try {
    const rules = await foreignForwardRules(host);
    if (rules.length === 0)
      return { name, ok: true, required: false, detail: "none drops forwarded packets" };
    const list = rules.map((rule) => `${rule.family} ${rule.table} ${rule.chain}`).join(", ");
    return {
      name,
      ok: false,
      required: false,
      detail: `forwarded packets are dropped by ${list}: guests have no network outside`,
      remedy: 'accept packets from and to the interfaces "wr*" there',
    };
  } catch (error) {
    const remedy = "install nftables and run as root";
    return { name, ok: false, required: false, detail: messageOf(error), remedy };
  }
}

export function probeCgroups(): ProbeResult {
  const name = "control groups (memory, cpu, pids)";
  try {
    return { name, ok: true, required: true, detail: `version ${detectCgroups().version}` };
  } catch (error) {
    const remedy = "mount cgroup2 on /sys/fs/cgroup";
    return { name, ok: false, required: true, detail: messageOf(error), remedy };
  }
}

/** Clones a small file in the directory. */
export function probeReflink(directory: string): ProbeResult {
  const name = `copy-on-write files in ${directory}`;
  let scratch: string | undefined;
  try {
    scratch = mkdtempSync(join(directory, ".probe-"));
    writeFileSync(join(scratch, "a"), Buffer.alloc(4096, 1));
    copyFileSync(join(scratch, "a"), join(scratch, "b"), constants.COPYFILE_FICLONE_FORCE);
    return { name, ok: true, required: false, detail: "files are cloned" };
  } catch (error) {
    const remedy = "put the data directory on XFS or btrfs";
    return { name, ok: false, required: false, detail: codeOf(error), remedy };
  } finally {
    if (scratch) rmSync(scratch, { recursive: true });
  }
}

export function probeDeviceMapper(): ProbeResult {
  return kernelDriver("device mapper", "device-mapper", "load the module: modprobe dm_mod");
}

/** Kernels before 6.1 have the system call without the device. */
export function probeUserfaultfd(): ProbeResult {
  const name = "userfaultfd";
  if (existsSync("/proc/sys/vm/unprivileged_userfaultfd")) {
    return { name, ok: true, required: false, detail: "in the kernel" };
  }
  return kernelDriver(name, "userfaultfd", "use a kernel with CONFIG_USERFAULTFD");
}

/** Registered miscellaneous drivers, proc_misc(5). */
function kernelDriver(name: string, driver: string, remedy: string): ProbeResult {
  const ok = new RegExp(`^\\s*\\d+ ${driver}$`, "m").test(readFileSync("/proc/misc", "latin1"));
  return ok
    ? { name, ok, required: false, detail: "in the kernel" }
    : { name, ok, required: false, detail: "not in the kernel", remedy };
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? messageOf(error);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
