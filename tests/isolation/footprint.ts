// What an instance takes from a machine, to be compared before and after.
import { detectCgroups, listNetns, planBlock, processesOfUids } from "@wrenn/linux";
import type { HostWorld } from "./world.ts";

/** All of it that bears the block's name, and the whole state of the world's host. */
export async function footprint({ host, block }: HostWorld) {
  const plan = planBlock(block);
  const controls = ["sysctl", "-a", "-r", "net.ipv[46].(conf|ip_forward)"] as [string, ...string[]];
  return {
    links: await host.exec(["ip", "-br", "link"]),
    routes: `${await host.exec(["ip", "-4", "route", "show", "table", "all"])}${await host.exec(["ip", "-6", "route"])}`,
    rules: await host.exec(["nft", "list", "ruleset"]),
    sysctls: await host.exec(controls),
    netns: listNetns().filter((name) => name.startsWith(plan.netnsPrefix)),
    processes: processesOfUids({ first: plan.controlPlaneUid, last: plan.vmmUids.last }),
    cgroups: detectCgroups().list(plan.cgroup),
  };
}
