// Cold boot: a sandbox created through the API, and the same machine started by hand.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { WrennClient } from "@wrenn/sdk";
import { addNetwork, removeNetwork } from "./floor-network.ts";
import { commandLineOf, type MachineCommand, rebind, topOf } from "./machine-command.ts";
import type { Result } from "./result.ts";
import { figure } from "./statistics.ts";
import { undoable } from "./undo.ts";

const ENVD_PORT = 49983;

/**
 * `rounds` interleaved pairs. The raw counterpart is the very command line of a sandbox that the platform has just
 * started, confinement and all, run again with a fresh overlay of the same image in a network namespace made by hand.
 * Platform: from the request to the answer `running`. Raw: from the start of the process to the guest agent's first
 * answer.
 */
export async function benchColdBoot(client: WrennClient, dataDir: string, rounds: number): Promise<Result> {
  const viaApi: number[] = [];
  const byHand: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const began = performance.now();
    const sandbox = await client.sandboxes.create({ template: "minimal", start: "cold" });
    viaApi.push(performance.now() - began);
    const machine = { ...commandLineOf(sandbox.id), diskMb: sandbox.disk_mb };
    await client.sandboxes.delete(sandbox.id);
    byHand.push(await bootByHand(machine, join(dataDir, "bench-floor")));
  }
  return {
    name: "cold boot to ready",
    unit: "ms",
    platform: figure(viaApi),
    raw: figure(byHand),
    promises: [{ number: "P7", of: "ratio", bound: { max: 1.3 } }],
  };
}

async function bootByHand(machine: MachineCommand & { diskMb: number }, scratch: string): Promise<number> {
  const netns = `wrenn-floor-${process.pid}`;
  const vm = join(scratch, "vm");
  rmSync(scratch, { recursive: true, force: true });
  addNetwork(netns, machine.uid);
  const removeAll = undoable(() => {
    removeNetwork(netns);
    rmSync(scratch, { recursive: true, force: true });
  });
  try {
    mkdirSync(vm, { recursive: true, mode: 0o700 });
    const top = topOf(machine.argv);
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", join(vm, top), `${machine.diskMb}M`]);
    writeFileSync(join(vm, "console.log"), "");
    execFileSync("mknod", ["-m", "0600", join(scratch, "tun"), "c", "10", "200"]);
    for (const name of ["vm", `vm/${top}`, "vm/console.log", "tun"]) {
      chownSync(join(scratch, name), machine.uid, machine.uid);
    }
    const argv = ["prlimit", ...machine.limits, "--", ...substitute(machine.argv, scratch)];
    const url = `http://169.254.0.21:${ENVD_PORT}/health`;
    const floor = join(import.meta.dirname, "floor/boot.ts");
    const request = JSON.stringify({ argv, url });
    const child = spawn("ip", ["netns", "exec", netns, process.execPath, floor, request], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let printed = "";
    child.stdout.on("data", (chunk) => {
      printed += chunk;
    });
    const closed = once(child, "close") as Promise<[number | null]>;
    const end = undoable(async () => {
      child.kill();
      await closed;
    });
    const [status] = await closed;
    await end();
    if (status !== 0) throw new Error(`the machine started by hand failed:\n${consoleOf(vm)}`);
    return Number(printed);
  } finally {
    removeAll();
  }
}

/** The same command line on the floor's own directory and device, without the descriptors that it was controlled by. */
function substitute(argv: readonly string[], scratch: string): string[] {
  const out = argv.map((arg) => (arg.startsWith("socket,id=qmp,") ? "null,id=qmp" : arg));
  for (const option of ["--info-fd", "--block-fd"]) {
    const at = out.indexOf(option);
    if (at !== -1) out.splice(at, 2);
  }
  return rebind(out, { "/vm": join(scratch, "vm"), "/dev/net/tun": join(scratch, "tun") });
}

function consoleOf(vm: string): string {
  return readFileSync(join(vm, "console.log"), "utf8").slice(-2000);
}
