// A control group per process, so that all it started can be found and killed.
import {
  accessSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";

/** Where cgroup v2 is mounted in a guest. */
export const CGROUP_ROOT = "/sys/fs/cgroup";

/** A group can be removed once its killed processes have left it; how long that is waited for, and how often it is tried. */
const CLOSE_MS = 2000;
const RETRY_MS = 5;

/**
 * Makes one directory per process below a directory of the agent's own. No controller is enabled: the groups
 * are there for `cgroup.kill` (Linux 5.14), which reaches descendants that changed their session and parent.
 */
export class ControlGroups {
  readonly #base: string;
  readonly #lingering = new Set<string>();
  #count = 0;
  #spare: string | undefined;

  private constructor(base: string) {
    this.#base = base;
  }

  /** `undefined` where no cgroup v2 with `cgroup.kill` can be used, as on many a developer's machine. */
  static open(root: string = CGROUP_ROOT): ControlGroups | undefined {
    try {
      accessSync(`${root}/cgroup.procs`, constants.W_OK);
      const base = `${root}/envd-${process.pid}`;
      mkdirSync(base, { recursive: true });
      accessSync(`${base}/cgroup.kill`, constants.W_OK);
      return new ControlGroups(base);
    } catch {
      return undefined;
    }
  }

  /** An empty group's directory. One is always prepared ahead, off the way of the next start. */
  take(): string {
    const directory = this.#spare ?? this.#make();
    this.#spare = undefined;
    setImmediate(() => {
      this.#spare ??= this.#make();
    });
    return directory;
  }

  /** Removes the group's directory as soon as nothing runs in it (a background child may go on). */
  release(directory: string): void {
    this.#lingering.add(directory);
    for (const candidate of this.#lingering) if (remove(candidate)) this.#lingering.delete(candidate);
  }

  /** Kills all that runs in the groups, and removes them. */
  async close(): Promise<void> {
    killGroup(this.#base);
    const deadline = performance.now() + CLOSE_MS;
    while (!this.#removeAll() && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  #removeAll(): boolean {
    for (const entry of readdirSync(this.#base, { withFileTypes: true })) {
      if (entry.isDirectory()) remove(`${this.#base}/${entry.name}`);
    }
    return remove(this.#base);
  }

  #make(): string {
    const directory = `${this.#base}/${++this.#count}`;
    mkdirSync(directory);
    return directory;
  }
}

/** Process ids in a group; none when it is gone. */
export function groupMembers(directory: string): number[] {
  try {
    return readFileSync(`${directory}/cgroup.procs`, "utf8").split("\n").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** SIGKILL to everything in a group, at once and including what is being forked. */
export function killGroup(directory: string): void {
  try {
    writeFileSync(`${directory}/cgroup.kill`, "1");
  } catch {
    // Gone already: nothing to kill.
  }
}

function remove(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}
