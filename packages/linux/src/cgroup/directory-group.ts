// A control group as the directories that make it up: one in version 2, one per controller in version 1.
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmdirSync, writeSync } from "node:fs";
import { WrennError } from "@wrenn/core";
import { identitiesOf } from "../process/enumerate.ts";
import { killAll } from "../process/signal.ts";
import { until } from "../run/until.ts";
import type { Cgroup } from "./cgroup.ts";

const DEADLINE_MS = 10_000;

export class DirectoryGroup implements Cgroup {
  readonly path: string;
  readonly #directories: readonly string[];

  constructor(path: string, directories: readonly string[]) {
    this.path = path;
    this.#directories = directories;
  }

  add(pid: number): void {
    for (const directory of this.#directories) writeControlFile(`${directory}/cgroup.procs`, String(pid));
  }

  members(): number[] {
    return [...new Set(this.#directories.flatMap(readProcs))];
  }

  async kill(): Promise<void> {
    const killed = await until(
      async () => {
        this.#killAtOnce();
        await killAll(identitiesOf(this.members()));
        return this.members().length === 0;
      },
      { timeoutMs: DEADLINE_MS },
    );
    if (!killed)
      throw new WrennError("deadline_exceeded", `processes in cgroup ${this.path} survive SIGKILL`);
  }

  async remove(): Promise<void> {
    for (const directory of this.#directories) {
      // A group stays busy for a moment after its last process has become invisible.
      const removed = await until(() => removeDirectory(directory), { timeoutMs: DEADLINE_MS });
      if (!removed) throw new WrennError("deadline_exceeded", `cgroup ${this.path} is still in use`);
    }
  }

  removeIfUnused(): void {
    for (const directory of this.#directories) removeDirectory(directory);
  }

  /** Version 2 since Linux 5.14 kills all members in one step, so that none can fork away. */
  #killAtOnce(): void {
    for (const directory of this.#directories) {
      const file = `${directory}/cgroup.kill`;
      if (existsSync(file)) writeControlFile(file, "1");
    }
  }
}

/** Writes to a file that the kernel must have made: never creates one. */
export function writeControlFile(file: string, value: string): void {
  const fd = openSync(file, "r+");
  try {
    writeSync(fd, value);
  } finally {
    closeSync(fd);
  }
}

/** Names of the groups directly below a directory. */
export function childGroups(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

/** Process ids in a `cgroup.procs`. */
export function readProcs(directory: string): number[] {
  try {
    return readFileSync(`${directory}/cgroup.procs`, "latin1").split("\n").filter(Boolean).map(Number);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

function removeDirectory(directory: string): boolean {
  try {
    rmdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EBUSY") return false;
    if (!isGone(error)) throw error;
  }
  return true;
}

function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ENODEV";
}
