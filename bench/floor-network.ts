// A network namespace made by hand, as the platform's slots are from inside, without their way out.
import { execFileSync } from "node:child_process";

/** With the TAP that a machine of `uid` opens; the guest is 169.254.0.21. */
export function addNetwork(netns: string, uid: number): void {
  ip("netns", "add", netns);
  const inside = (...args: string[]) => ip("-n", netns, ...args);
  inside("tuntap", "add", "dev", "tap0", "mode", "tap", "user", String(uid), "vnet_hdr");
  inside("link", "set", "tap0", "address", "02:fc:00:00:00:06", "up");
  inside("addr", "add", "169.254.0.22/30", "dev", "tap0");
  inside("neigh", "add", "169.254.0.21", "lladdr", "02:fc:00:00:00:05", "dev", "tap0", "nud", "permanent");
}

export function removeNetwork(netns: string): void {
  ip("netns", "del", netns);
}

function ip(...args: string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "inherit"] });
}
