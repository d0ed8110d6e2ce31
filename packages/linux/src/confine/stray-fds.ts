// Descriptors that this process was itself started with must not leak into what it confines.
import type { StdioOptions } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";

type Stdio = Exclude<StdioOptions, string>;

const O_CLOEXEC = 0o2000000;

/**
 * Calls `spawn` with a `stdio` that gives the child what is wanted and puts `/dev/null` over every other
 * descriptor that it would inherit. Those that Node opens close by themselves; those that were there
 * when Node started do not.
 */
export function withoutStrayFds<T>(wanted: Readonly<Stdio>, spawn: (stdio: Stdio) => T): T {
  const strays = inheritableFds().filter((fd) => fd >= wanted.length);
  if (strays.length === 0) return spawn([...wanted]);
  const nothing = openSync("/dev/null", "r");
  try {
    const stdio: Stdio = [...wanted];
    for (const fd of strays) stdio[fd] = nothing;
    return spawn(Array.from(stdio, (entry) => entry ?? "ignore"));
  } finally {
    closeSync(nothing);
  }
}

/** Open descriptors of this process without the close-on-exec flag, from proc(5). */
function inheritableFds(): number[] {
  return readdirSync("/proc/self/fd")
    .map(Number)
    .filter((fd) => {
      const flags = flagsOf(fd);
      return flags !== undefined && (flags & O_CLOEXEC) === 0;
    });
}

function flagsOf(fd: number): number | undefined {
  try {
    const octal = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1];
    return octal === undefined ? undefined : Number.parseInt(octal, 8);
  } catch {
    return undefined; // the descriptor of the listing itself, closed by now
  }
}
