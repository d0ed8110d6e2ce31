// The raw floor of a boot: the QEMU command line of a running sandbox, started again by hand with a fresh overlay.
// Imports nothing of the platform; runs inside the floor's own network namespace (see cold-boot.ts).
//
// Argument: JSON {argv, url}. argv is started as it is; the time until `url` answers 204 is printed in milliseconds.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { get } from "node:http";

const { argv, url } = JSON.parse(process.argv[2] ?? "") as { argv: string[]; url: string };
const DEADLINE_MS = 60_000;

const began = performance.now();
const [program = "", ...args] = argv;
const vmm = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
vmm.once("exit", (status) => fail(`the machine ended with status ${status}`));
const timer = setTimeout(() => fail("the guest did not answer in time"), DEADLINE_MS);
process.once("SIGTERM", () => fail("interrupted"));
probe();

function probe(): void {
  const again = () => setTimeout(probe, 5);
  const request = get(url, { timeout: 250 }, (response) => {
    response.resume();
    if (response.statusCode !== 204) {
      again();
      return;
    }
    process.stdout.write(`${performance.now() - began}\n`);
    end(0);
  });
  request.on("timeout", () => request.destroy(new Error("timeout")));
  request.on("error", again);
}

function fail(reason: string): void {
  process.stderr.write(`${reason}\n`);
  end(1);
}

function end(status: number): void {
  clearTimeout(timer);
  vmm.removeAllListeners("exit");
  vmm.once("exit", () => process.exit(status));
  const machines = machinesOf(vmm.pid ?? 0);
  for (const pid of machines) process.kill(pid, "SIGKILL");
  if (machines.length === 0 && !vmm.kill("SIGKILL")) process.exit(status);
}

/** What bwrap has started: its own end would not be the machine's, which has changed its user since. */
function machinesOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
      .trim()
      .split(" ")
      .filter(Boolean)
      .map(Number);
  } catch {
    return [];
  }
}
