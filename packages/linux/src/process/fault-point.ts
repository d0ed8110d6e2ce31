// Places where a test may end a process, to prove that nothing is lost or left there.
import { appendFileSync, readFileSync, rmSync } from "node:fs";

/** Names a file that holds what is to happen next: `trace`, `agent NAME` or `vmm NAME`. Set by tests only. */
export const FAULT_FILE_VARIABLE = "WRENN_FAULT_FILE";

const file = process.env[FAULT_FILE_VARIABLE];

/**
 * Marks a step of a transition after which the process may die. Tests find all names by reading the sources, so a name
 * is a literal. Without the variable this does nothing. With it, the file is removed first, so that it happens once, and
 * then this process (`agent`) or the one that is passed (`vmm`) gets SIGKILL. `trace` only notes what is passed, one
 * `NAME` or `NAME vmm` a line, in a file beside it.
 */
export function faultPoint(name: string, vmm?: { pid: number }): void {
  if (file === undefined) return;
  let wanted: string;
  try {
    wanted = readFileSync(file, "utf8").trim();
  } catch {
    return;
  }
  if (wanted === "trace") appendFileSync(`${file}.trace`, vmm ? `${name} vmm\n` : `${name}\n`);
  else if (wanted === `agent ${name}`) {
    rmSync(file);
    process.kill(process.pid, "SIGKILL");
  } else if (vmm && wanted === `vmm ${name}`) {
    rmSync(file);
    process.kill(vmm.pid, "SIGKILL");
  }
}
