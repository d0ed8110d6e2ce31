// The command line of a machine that the platform runs, to be run again by hand.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** What the platform ran: bwrap with everything inside it, limits included. */
export interface MachineCommand {
  /** From `bwrap` to QEMU's last argument. */
  argv: string[];
  /** Resource limits of the QEMU process as prlimit(1) takes them. */
  limits: string[];
  uid: number;
  /** QEMU's process. */
  pid: number;
}

export function commandLineOf(sandboxId: string): MachineCommand {
  const pids = execFileSync("pgrep", ["-f", `name ${sandboxId} `], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map(Number);
  const argvOf = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
  const bwrap = pids.map(argvOf).find(([program]) => program === "bwrap");
  const qemu = pids.find((pid) => /qemu-system/.test(argvOf(pid)[0] ?? ""));
  if (!bwrap || qemu === undefined) throw new Error(`the processes of ${sandboxId} were not found`);
  const status = readFileSync(`/proc/${qemu}/status`, "utf8");
  const limits = readFileSync(`/proc/${qemu}/limits`, "utf8");
  const limit = (name: string) => new RegExp(`^${name}\\s+(\\d+)`, "m").exec(limits)?.[1] ?? "0";
  return {
    argv: bwrap,
    limits: [`--core=0:0`, `--nofile=${limit("Max open files")}`, `--fsize=${limit("Max file size")}`],
    uid: Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]),
    pid: qemu,
  };
}

/** The same command line with other sources of what it binds: `{"/vm": "/tmp/…"}`. Throws when it binds nothing there. */
export function rebind(argv: readonly string[], sources: Record<string, string>): string[] {
  const out = [...argv];
  for (const [target, source] of Object.entries(sources)) {
    const at = out.findIndex((arg, i) => arg === target && /^--(dev-)?bind$/.test(out[i - 2] ?? ""));
    if (at === -1) throw new Error(`the command line binds nothing at ${target}`);
    out[at - 1] = source;
  }
  return out;
}

/** Name of the root disk's writable layer, which lies in the machine's own directory. */
export function topOf(argv: readonly string[]): string {
  const top = /"filename":"\/vm\/(root[^"/]*)"/.exec(argv.join(" "))?.[1];
  if (top === undefined) throw new Error("the root disk has no writable layer in the machine's directory");
  return top;
}
