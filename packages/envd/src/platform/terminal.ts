// Taking a terminal's master side out of Bun's hands.
import { readdirSync, readlinkSync } from "node:fs";
import { duplicate, setNonBlocking } from "./libc.ts";

/** Our descriptors that are masters of a terminal. */
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
 * `Bun.spawn({ terminal: {...} })` is the only way to give a child a controlling terminal here (a terminal made
 * before the spawn does not become one), but a `Bun.Terminal` pushes what it reads and cannot be paused, so a slow
 * reader would grow our memory without bound. No turn of the event loop lies between the spawn and this call, so
 * nothing has been read yet. `before`: the masters that existed before the spawn.
 */
export function adoptTerminal(
  terminal: Bun.Terminal | undefined,
  before: ReadonlySet<number>,
): { reading: number; writing: number } {
  const master = [...terminalMasters()].find((fd) => !before.has(fd));
  if (terminal === undefined || master === undefined) {
    throw new Error("the terminal's master side is not open");
  }
  const reading = duplicate(master);
  const writing = duplicate(master);
  terminal.close();
  setNonBlocking(reading);
  return { reading, writing };
}
