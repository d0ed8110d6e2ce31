// The processes that this agent started.
import { WrennError } from "@wrenn/core";
import type { ProcessConfig, ProcessSelector } from "@wrenn/rpc/envd";
import type { AgentState } from "../agent/state.ts";
import { errnoOf, systemError } from "../agent/system-error.ts";
import { workingDirectory } from "../filesystem/paths.ts";
import { withCredentials } from "../platform/credentials.ts";
import { mayExecute } from "../platform/libc.ts";
import { spawn } from "../platform/spawn.ts";
import type { User } from "../users/user-directory.ts";
import { checkDirectory, commandNotFound, findProgram } from "./command.ts";
import type { ControlGroups } from "./control-groups.ts";
import { childEnvironment } from "./environment.ts";
import { expendable } from "./expendable.ts";
import { ManagedProcess } from "./managed-process.ts";
import { STALL_MS } from "./output-hub.ts";

/** A Connect that comes this long after the end still learns how it ended. */
const KEEP_ENDED_MS = 30_000;

/** Processes at a time. */
const MAX_PROCESSES = 1000;

/** Errors of execve that mean there is nothing to run. */
const NOTHING_TO_RUN = new Set(["ENOENT", "EACCES", "ENOEXEC", "ENOTDIR", "ELOOP", "EISDIR"]);

export interface StartOptions {
  user: User;
  config: ProcessConfig;
  tag: string | undefined;
  stdin: boolean;
  terminal: { cols: number; rows: number } | undefined;
  /** 0 = none. */
  timeoutMs: number;
}

export class ProcessTable {
  readonly #state: AgentState;
  readonly #groups: ControlGroups | undefined;
  readonly #stallMs: number;
  readonly #processes = new Map<number, ManagedProcess>();
  #live = 0;

  constructor(state: AgentState, groups: ControlGroups | undefined, stallMs: number = STALL_MS) {
    this.#state = state;
    this.#groups = groups;
    this.#stallMs = stallMs;
  }

  /** Those that still run. */
  running(): ManagedProcess[] {
    return [...this.#processes.values()].filter((process) => process.running);
  }

  /**
   * Starts a process; the caller subscribes and then lets it `run`. Errors: `command_not_found`,
   * `invalid_argument` for a wrong working directory, `capacity`.
   */
  start({ user, config, tag, stdin, terminal, timeoutMs }: StartOptions): ManagedProcess {
    if (this.#live >= MAX_PROCESSES) {
      throw new WrennError("capacity", `at most ${MAX_PROCESSES} processes are run at a time`);
    }
    const env = childEnvironment(user, this.#state.envs, config.envs, terminal !== undefined);
    const cwd = workingDirectory(config.cwd, user, this.#state.defaultWorkdir);
    const executable = withCredentials(user, () => {
      checkDirectory(cwd, mayExecute);
      return findProgram(config.cmd, cwd, env["PATH"] ?? "", mayExecute);
    });
    const cgroup = this.#groups?.take();
    const request = { executable, name: config.cmd, args: config.args, env, cwd, credentials: user };
    try {
      const child = expendable(() => spawn({ ...request, cgroup, stdin, terminal }));
      const process = new ManagedProcess({ child, cgroup, config, tag, timeoutMs, stallMs: this.#stallMs });
      this.#processes.set(child.pid, process);
      this.#live++;
      return process;
    } catch (error) {
      if (cgroup !== undefined) this.#groups?.release(cgroup);
      const errno = errnoOf(error);
      if (errno !== undefined && NOTHING_TO_RUN.has(errno)) {
        throw commandNotFound(`'${executable}' could not be executed: ${errno}`, error);
      }
      throw systemError(error, `starting '${executable}'`);
    }
  }

  /** Sees a started process through to its end, and forgets it some time later. */
  async attend(process: ManagedProcess): Promise<void> {
    await process.run();
    this.#live--;
    if (process.cgroup !== undefined) this.#groups?.release(process.cgroup);
    setTimeout(() => {
      if (this.#processes.get(process.pid) === process) this.#processes.delete(process.pid);
    }, KEEP_ENDED_MS).unref();
  }

  /** The process that a request names, running or ended a moment ago; `not_found`. */
  find(selector: ProcessSelector | undefined): ManagedProcess {
    const by = selector?.selector;
    if (by?.case === undefined) {
      throw new WrennError("invalid_argument", "process must name a pid or a tag", { field: "process" });
    }
    const process = by.case === "pid" ? this.#processes.get(by.value) : this.#byTag(by.value);
    if (process === undefined) throw new WrennError("not_found", `no process with ${by.case} '${by.value}'`);
    return process;
  }

  /** As {@link find}, but a process that has ended is `not_found`. */
  findRunning(selector: ProcessSelector | undefined): ManagedProcess {
    const process = this.find(selector);
    if (!process.running) throw new WrennError("not_found", `process ${process.pid} has ended`);
    return process;
  }

  /** Kills everything, for the agent's own end. */
  async close(): Promise<void> {
    for (const process of this.running()) process.kill();
    await this.#groups?.close();
  }

  /** The one that runs, else the one that ended last. */
  #byTag(tag: string): ManagedProcess | undefined {
    const tagged = [...this.#processes.values()].filter((process) => process.tag === tag);
    return tagged.findLast((process) => process.running) ?? tagged.at(-1);
  }
}
