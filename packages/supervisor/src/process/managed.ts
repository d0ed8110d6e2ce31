// One process of the instance: started, watched, logged, started again when it dies, stopped in order.
import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { WrennError } from "@wrenn/core";
import { until } from "@wrenn/linux";
import { Backoff } from "../backoff.ts";
import { isRecord } from "../is-record.ts";
import { type RotatingLog, tailOf } from "../rotating-log.ts";

export interface ManagedOptions {
  /** As it appears in messages and in the name of the log. */
  name: string;
  log: RotatingLog;
  /** Everything the process inherits. */
  env: NodeJS.ProcessEnv;
  /**
   * The argument vector. When it is bubblewrap's, it reports on the descriptor with this number which process
   * gets the signals (see unprivileged.ts).
   */
  command: (statusFd: number) => readonly string[];
  /** Whether `command` uses that descriptor; otherwise the signals go to what was started. */
  reportsPid: boolean;
  /** Runs before every start: deals with what a dead predecessor left behind. */
  beforeStart?: () => Promise<void>;
  say: (line: string) => void;
}

export interface StopOptions {
  signal: NodeJS.Signals;
  /** Milliseconds until SIGKILL. */
  patienceMs: number;
}

/** How a process came to its end. */
interface Ending {
  how: string;
  /** Its exit status, if it had one: what a signal ended, or what could not be run, has none. */
  status?: number | null;
}

const STATUS_FD = 3;
/** How long bubblewrap may take for its namespaces, `ms`. */
const START_MS = 10_000;

export class ManagedProcess {
  readonly #options: ManagedOptions;
  readonly #backoff = new Backoff();
  #child: ChildProcess | undefined;
  /** The process that gets the signals. */
  #pid: number | undefined;
  #exited: Promise<Ending> = Promise.resolve({ how: "not started" });
  #retry: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(options: ManagedOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#pid;
  }

  /** Starts the process for the first time. Rejects when it cannot be started at all. */
  async start(): Promise<void> {
    await this.#spawn();
  }

  /**
   * What `work` gives, unless the process dies first: then an `unavailable` with the end of its log. For
   * waiting until it is ready.
   */
  async orDeath<T>(work: Promise<T>): Promise<T> {
    const death = this.#exited.then(({ how }): never => {
      throw new WrennError(
        "unavailable",
        `${this.#options.name} ${how} while starting; the end of ${this.#options.log.path}:\n` +
          tailOf(this.#options.log.path, 12),
      );
    });
    return await Promise.race([work, death]);
  }

  /**
   * Asks the process to end, insists after a while, and returns when it is gone: whether it has gone in order, which is
   * with status 0 and after having been asked. One that was dead already, that had not come as far as to listen for
   * signals, or that somebody killed has not done what it does at its end.
   */
  async stop({ signal, patienceMs }: StopOptions): Promise<boolean> {
    this.#stopping = true;
    clearTimeout(this.#retry);
    const wasAsked = this.signal(signal);
    const insist = setTimeout(() => {
      this.#options.say(`${this.#options.name} does not end after ${patienceMs / 1000} s: killing it`);
      this.signal("SIGKILL");
    }, patienceMs);
    const { status } = await this.#exited;
    clearTimeout(insist);
    return wasAsked && status === 0;
  }

  /** Sends a signal to the process, if it lives: whether it does. */
  signal(signal: NodeJS.Signals): boolean {
    if (this.#child === undefined || this.#pid === undefined) return false;
    try {
      return process.kill(this.#pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      return false;
    }
  }

  async #spawn(): Promise<void> {
    const { name, env, log, reportsPid } = this.#options;
    await this.#options.beforeStart?.();
    if (this.#stopping) throw new WrennError("unavailable", `${name} was stopped before it had started`);
    const [file = "", ...args] = this.#options.command(STATUS_FD);
    const began = performance.now();
    // A session of its own: Ctrl-C in the terminal is for the supervisor, which stops things in order.
    const child = spawn(file, args, {
      env,
      cwd: "/",
      detached: true,
      stdio: ["ignore", "pipe", "pipe", reportsPid ? "pipe" : "ignore"],
    });
    child.stdout?.on("data", (chunk: Buffer) => log.write(chunk));
    child.stderr?.on("data", (chunk: Buffer) => log.write(chunk));
    const { promise, resolve } = Promise.withResolvers<Ending>();
    this.#exited = promise;
    this.#child = child;
    child.once("error", (error) => resolve({ how: `could not be run (${error.message})` }));
    child.once("exit", (status, signal) =>
      resolve({ how: signal === null ? `ended with ${status}` : `was ended by ${signal}`, status }),
    );
    void promise.then(({ how }) => this.#died(how, performance.now() - began));
    this.#pid = reportsPid ? await this.orDeath(reportedPid(child)) : child.pid;
    if (this.#pid === undefined) {
      throw new WrennError("unavailable", `could not run ${file} for ${name}: ${(await this.#exited).how}`);
    }
  }

  #died(how: string, livedMs: number): void {
    this.#child = undefined;
    this.#pid = undefined;
    this.#schedule(how, livedMs);
  }

  /**
   * Has it started again after a while. A start that fails is told of twice, by the child and by {@link #spawn}; the first
   * counts, since two timers would be two processes, of which one is not watched.
   */
  #schedule(why: string, livedMs: number): void {
    if (this.#stopping || this.#child !== undefined || this.#retry !== undefined) return;
    const delay = this.#backoff.next(livedMs);
    this.#options.say(`${this.#options.name} ${why}; starting it again in ${delay} ms`);
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      void this.#restart();
    }, delay);
  }

  async #restart(): Promise<void> {
    try {
      await this.#spawn();
    } catch (error) {
      this.#schedule(`did not start again: ${(error as Error).message}`, 0);
    }
  }
}

/** The command that bubblewrap runs: the child of the process that it reports on the status descriptor. */
async function reportedPid(child: ChildProcess): Promise<number> {
  let text = "";
  for await (const chunk of child.stdio[STATUS_FD] as Readable) text += chunk;
  const report: unknown = text === "" ? undefined : JSON.parse(text);
  if (!isRecord(report)) throw new Error("bubblewrap ended before it had started anything");
  const first = Number(report["child-pid"]);
  let pid: number | undefined;
  const hasChild = async (): Promise<boolean> => {
    const children = await readFile(`/proc/${first}/task/${first}/children`, "latin1").catch(() => "");
    pid = Number.parseInt(children, 10) || undefined;
    return pid !== undefined || child.exitCode !== null;
  };
  await until(hasChild, { timeoutMs: START_MS });
  if (pid === undefined) throw new Error("bubblewrap started nothing");
  return pid;
}
