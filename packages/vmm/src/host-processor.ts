// What a guest sees of the host's processor when its instructions run on it.
import { createHash } from "node:crypto";

/** Model and features of the first processor in `/proc/cpuinfo`; the features as a hash, since they fill a page. */
export function hostCpu(cpuinfo: string): string {
  const field = (name: string) => new RegExp(`^${name}\\s*: (.*)$`, "m").exec(cpuinfo)?.[1] ?? "unknown";
  const identity = ["vendor_id", "cpu family", "model", "stepping"].map(field).join(" ");
  const features = createHash("sha256").update(field("flags")).digest("hex").slice(0, 16);
  return `${identity} ${features}`;
}
