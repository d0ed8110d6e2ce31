// The machine's processes by what they were started with.
import { readdirSync, readFileSync } from "node:fs";

/** Ids of the processes whose arguments and environment satisfy a predicate. Processes that end meanwhile are left out. */
export function pidsOf(predicate: (argv: string[], environment: string[]) => boolean): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return predicate(nulSeparated(`/proc/${pid}/cmdline`), nulSeparated(`/proc/${pid}/environ`));
      } catch {
        return false;
      }
    })
    .map(Number);
}

function nulSeparated(path: string): string[] {
  return readFileSync(path, "utf8").split("\0");
}
