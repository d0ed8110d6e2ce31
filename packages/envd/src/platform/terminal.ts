// Taking a PTY's master side out of Bun's hands.
import { chownSync, readdirSync, readlinkSync } from "node:fs";
import type { Credentials } from "./credentials.ts";
import { duplicate, ptyNumber, setNonBlocking } from "./libc.ts";

/** Our descriptors that are masters of a PTY. */
export function terminalMasters(): Set<number> {
  const masters = new Set<number>();
  for (const entry of readdirSync("/proc/self/fd")) {
    try {
      if (readlinkSync(`/proc/self/fd/${entry}`).endsWith("/ptmx")) masters.add(Number(entry));
    } catch {
      // The descriptor of the listing itself is gone by now.
    }
  }
  return masters;
}

/**
 * Duplicates the master of a terminal that was just made, and closes Bun's own.
 *
 * `Bun.spawn({ terminal })` is the only way to give a child a controlling terminal here, but `Bun.Terminal`
 * pushes what it reads and cannot be paused, so a slow reader would grow our memory without bound. No turn
 * of the event loop lies between the spawn and this call, so nothing has been read yet.
 * `before`: the masters that existed before the spawn.
 */
export function adoptTerminal(
  terminal: Bun.Terminal | undefined,
  before: ReadonlySet<number>,
  owner: Credentials,
): { reading: number; writing: number } {
  const master = [...terminalMasters()].find((fd) => !before.has(fd));
  if (terminal === undefined || master === undefined)
    throw new Error("the terminal's master side is not open");
  const reading = duplicate(master);
  const writing = duplicate(master);
  terminal.close();
  setNonBlocking(reading);
  if (owner.uid !== 0) chownSync(`/dev/pts/${ptyNumber(reading)}`, owner.uid, owner.gid);
  return { reading, writing };
}
