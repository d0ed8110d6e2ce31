// What the platform could leave behind on a machine, as a comparable picture.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pidsOf } from "../e2e/processes.ts";

export interface MachineState {
  processes: string[];
  namespaces: string[];
  links: string[];
  routes: string[];
  tables: string[];
  loops: string[];
  mounts: string[];
  cgroups: string[];
  blocks: string[];
}

/** All of it, sorted. Processes are those that belong to the platform. */
export function machineState(): MachineState {
  return {
    processes: platformProcesses(),
    namespaces: lines("ip", "netns", "list"),
    links: lines("ip", "-o", "link", "show").map((line) => line.split(": ")[1] ?? line),
    routes: lines("ip", "route", "show", "table", "all").filter((line) => !line.includes("linkdown")),
    tables: lines("nft", "list", "tables"),
    loops: lines("losetup", "-a"),
    mounts: readFileSync("/proc/self/mountinfo", "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(" ")[4] ?? "")
      .sort(),
    cgroups: ["memory", "pids", "cpu", "unified", ""].flatMap((root) =>
      below(join("/sys/fs/cgroup", root, "wrenn")),
    ),
    blocks: existsSync("/run/wrenn/blocks") ? readdirSync("/run/wrenn/blocks").sort() : [],
  };
}

/** Servers and machines. Connections of another instance's database come and go: they are no left-overs. */
function platformProcesses(): string[] {
  const ours =
    /wrenn-(supervisor|host-agent|control-plane)|packages\/(supervisor|host-agent|control-plane)\/src\/main|qemu-system-x86_64|\/postgres$/;
  return pidsOf((argv) => ours.test(argv[0] ?? "") || ours.test(argv[1] ?? ""))
    .map((pid) => `${pid} ${readFileSync(`/proc/${pid}/comm`, "utf8").trim()}`)
    .sort();
}

function below(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => [join(directory, entry.name), ...below(join(directory, entry.name))])
    .sort();
}

function lines(program: string, ...args: string[]): string[] {
  return execFileSync(program, args, { encoding: "utf8" })
    .split("\n")
    .filter((line) => line !== "")
    .sort();
}
