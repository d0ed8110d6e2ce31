// Device-mapper devices, one command each. Names are the caller's and carry who they belong to.
import { WrennError } from "@wrenn/core";
import { CommandError } from "../run/command-error.ts";
import { run } from "../run/run.ts";
import { until } from "../run/until.ts";

/** One command of dmsetup. What takes time is the flush before a suspension, on a busy disk. */
const TIMEOUT_MS = 60_000;
/** How long a device may stay busy after its user has gone: the kernel closes a killed process's files by and by. */
const BUSY_MS = 10_000;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,126}$/;

/** Nothing waits for udev, and nothing is done by its rules: hosts without it do as well. */
const NO_UDEV = ["--noudevsync", "--noudevrules"] as const;

/** Makes a device and returns the path of its node. Throws `invalid_argument` for what cannot be a name. */
export async function createDevice(
  name: string,
  table: string,
  options: { readOnly?: boolean } = {},
): Promise<string> {
  if (!NAME.test(name)) throw new WrennError("invalid_argument", `"${name}" cannot name a device`);
  const readOnly = options.readOnly ? ["--readonly"] : [];
  await dmsetup(["create", name, ...NO_UDEV, ...readOnly], `${table}\n`);
  return await devicePath(name);
}

/** Path of a device's node; undefined when there is no such device. */
export async function findDevice(name: string): Promise<string | undefined> {
  return (await openCount(name)) === undefined ? undefined : await devicePath(name);
}

/** Path of a device's node, which the kernel itself makes. Throws when there is no such device. */
export async function devicePath(name: string): Promise<string> {
  const minor = await dmsetup(["info", "--columns", "--noheadings", "--options", "minor", name]);
  return `/dev/dm-${minor.trim()}`;
}

/**
 * Removes a device. Already gone is success. A device that somebody has open is tried again for a while, since its user may
 * be on its way out; every other failure, and a device that stays open, is an error.
 */
export async function removeDevice(name: string): Promise<void> {
  let failure: unknown;
  const gone = await until(
    async () => {
      const uses = await openCount(name);
      if (uses === undefined) return true;
      if (uses > 0) return false;
      try {
        await dmsetup(["remove", name, ...NO_UDEV]);
        return true;
      } catch (reason) {
        failure = reason;
        // Opened, or removed, between the two commands: look again. Anything else will not get better.
        if (await openCount(name)) return false;
        if ((await openCount(name)) === undefined) return true;
        throw reason;
      }
    },
    { timeoutMs: BUSY_MS },
  );
  if (!gone) {
    throw new WrennError("internal", `device ${name} is still in use and cannot be removed`, {
      cause: failure,
    });
  }
}

/** Holds back writes, once those under way are on the devices below. Idempotent. */
export async function suspendDevice(name: string): Promise<void> {
  await dmsetup(["suspend", name, ...NO_UDEV]);
}

/** Lets writes go on. Idempotent. */
export async function resumeDevice(name: string): Promise<void> {
  await dmsetup(["resume", name, ...NO_UDEV]);
}

/** The line of status of a device with one target. Throws when there is no such device. */
export async function deviceStatus(name: string): Promise<string> {
  return (await dmsetup(["status", name])).trim();
}

/** The line of status of every device with a target of that kind, by its name. */
export async function deviceStatuses(target: string): Promise<Map<string, string>> {
  const stdout = await dmsetup(["status", "--target", target]);
  const lines = stdout.split("\n").map((line) => /^([^:\s]+): (\d.*)$/.exec(line));
  return new Map(lines.flatMap((match) => (match ? [[match[1] ?? "", match[2] ?? ""]] : [])));
}

/** Names of the devices that begin with `prefix`, sorted. None where the kernel has no device mapper. */
export async function listDevices(prefix: string): Promise<string[]> {
  return (await listOpenCounts()).flatMap(({ name }) => (name.startsWith(prefix) ? [name] : [])).sort();
}

/** How many have a device open; undefined when there is no such device. */
async function openCount(name: string): Promise<number | undefined> {
  return (await listOpenCounts()).find((device) => device.name === name)?.open;
}

async function listOpenCounts(): Promise<{ name: string; open: number }[]> {
  const stdout = await dmsetup([
    ...["info", "--columns", "--noheadings", "--separator", ",", "--options", "name,open"],
  ]);
  return stdout.split("\n").flatMap((line) => {
    // Without any device it prints a sentence instead.
    const [, name, open] = /^([^,\s]+),(\d+)$/.exec(line.trim()) ?? [];
    return name === undefined ? [] : [{ name, open: Number(open) }];
  });
}

/** What dmsetup prints. A failure is told in its first line; the last one only says that there was one. */
async function dmsetup(args: string[], input?: string): Promise<string> {
  try {
    return (await run(["dmsetup", ...args], { timeoutMs: TIMEOUT_MS, input })).stdout;
  } catch (cause) {
    if (!(cause instanceof CommandError) || cause.reason !== "exit") throw cause;
    const complaint = cause.stderr.trim().split("\n")[0] || cause.message;
    throw new WrennError("internal", `dmsetup ${args[0]}: ${complaint}`, { cause });
  }
}
