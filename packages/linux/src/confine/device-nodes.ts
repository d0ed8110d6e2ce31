// Device nodes for one user. Distributions differ in who may open /dev/net/tun and /dev/kvm; the host's own nodes are
// left as they are, and a virtual machine monitor gets nodes of the same devices that are its alone.
import {
  chmodSync,
  chownSync,
  constants,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, join } from "node:path";
import { WrennError } from "@wrenn/core";
import { checked, libc } from "../libc/libc.ts";
import type { Bind } from "./confine.ts";

/** Below /dev, since other file systems may be mounted without devices. Named by uid, so that a sweep finds them. */
const ROOT = "/dev/wrenn";

/**
 * Makes nodes for the devices `from`, which only `uid` may open. Returns the binds that put them where they are wanted.
 * Throws `unavailable` when a device does not exist.
 */
export async function makeDeviceNodes(
  uid: number,
  devices: readonly { from: string; to: string }[],
): Promise<Bind[]> {
  const dir = join(ROOT, String(uid));
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true, mode: 0o711 });
  const binds: Bind[] = [];
  for (const { from, to } of devices) {
    const device = statSync(from, { throwIfNoEntry: false });
    const isDevice = device?.isCharacterDevice() || device?.isBlockDevice();
    if (!device || !isDevice) throw new WrennError("unavailable", `${from} is not there; see wrenn doctor`);
    const node = join(dir, basename(from));
    // The mode's upper bits say which kind it is; Node hands on the C library's numbers of mode and device.
    checked(libc.mknod(node, (device.mode & constants.S_IFMT) | 0o600, device.rdev), `make ${node}`);
    chmodSync(node, 0o600);
    chownSync(node, uid, uid);
    binds.push({ from: node, to });
  }
  return binds;
}

/** Removes the nodes of a user. Already gone is success. */
export function removeDeviceNodes(uid: number): void {
  rmSync(join(ROOT, String(uid)), { recursive: true, force: true });
  try {
    rmdirSync(ROOT);
  } catch (reason) {
    const { code } = reason as NodeJS.ErrnoException;
    if (code !== "ENOTEMPTY" && code !== "ENOENT") throw reason;
  }
}

/** Users that have nodes. */
export function usersWithDeviceNodes(): number[] {
  try {
    return readdirSync(ROOT).map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}
