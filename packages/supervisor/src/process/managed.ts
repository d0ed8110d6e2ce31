// One process of the instance: started, watched, logged, started again when it dies, stopped in order.
import { type ChildProcess, spawn } from "node:child_process";
import { WrennError } from "@wrenn/core";
import { Backoff } from "../backoff.ts";
import { type RotatingLog, tailOf } from "../rotating-log.ts";

export interface ManagedOptions {
  /** As it appears in messages and in the name of the log. */
  name: string;
  log: RotatingLog;
  /** Everything the process inherits. */
  env: NodeJS.ProcessEnv;
  /**
   * The argument vector. With a descriptor number, what runs reports `{"child-pid": N}` there and N is the
   * process that gets the signals (see unprivileged.ts).
   */
  command: (statusFd: number) => readonly string[];
  /** Whether `command` uses that descriptor. */
  reportsPid: boolean;
  /** Runs before every start but the first: what a dead predecessor left behind. */
  beforeRestart?: () => Promise<void>;
  /** Runs after every start but the first. */
  afterRestart?: () => Promise<void>;
  say: (line: string) => void;
}

export interface StopOptions {
  signal: NodeJS.Signals;
  /** Milliseconds until SIGKILL. */
  patienceMs: number;
}

const STATUS_FD = 3;

export class ManagedProcess {
  readonly #options: ManagedOptions;
  readonly #backoff = new Backoff();
  #child: ChildProcess | undefined;
  /** The process that gets the signals. */
  #pid: number | undefined;
  #exited: Promise<string> = Promise.resolve("not started");
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
    const death = this.#exited.then((how): never => {
      throw new WrennError(
        "unavailable",
        `${this.#options.name} ${how} while starting; the end of ${this.#options.log.path}:\n` +
          tailOf(this.#options.log.path, 12),
      );
    });
    return await Promise.race([work, death]);
  }

  /** Asks the process to end, insists after a while, and returns when it is gone. */
  async stop({ signal, patienceMs }: StopOptions): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#retry);
    this.signal(signal);
    const insist = setTimeout(() => {
      this.#options.say(`${this.#options.name} does not end after ${patienceMs / 1000} s: killing it`);
      this.signal("SIGKILL");
    }, patienceMs);
    await this.#exited;
    clearTimeout(insist);
  }

  /** Sends a signal to the process, if it lives. */
  signal(signal: NodeJS.Signals): void {
    if (this.#child === undefined || this.#pid === undefined) return;
    try {
      process.kill(this.#pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  async #spawn(): Promise<void> {
    const { name, env, log, reportsPid } = this.#options;
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
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#exited = promise;
    this.#child = child;
    child.once("error", (error) => resolve(`could not be run (${error.message})`));
    child.once("exit", (code, signal) =>
      resolve(signal === null ? `ended with ${code}` : `was ended by ${signal}`),
    );
    this.#exited.then((how) => this.#died(how, performance.now() - began));
    this.#pid = reportsPid ? await this.orDeath(reportedPid(child)) : child.pid;
    if (this.#pid === undefined) {
      throw new WrennError("unavailable", `could not run ${file} for ${name}: ${await this.#exited}`);
    }
  }

  #died(how: string, livedMs: number): void {
    this.#child = undefined;
    this.#pid = undefined;
    if (this.#stopping) return;
    const delay = this.#backoff.next(livedMs);
    this.#options.say(`${this.#options.name} ${how}; starting it again in ${delay} ms`);
    this.#retry = setTimeout(() => this.#restart(), delay);
  }

  async #restart(): Promise<void> {
    try {
      await this.#options.beforeRestart?.();
      if (this.#stopping) return;
      await this.#spawn();
      await this.#options.afterRestart?.();
    } catch (error) {
      // A process that ran and died comes back through #died.
      this.#options.say(`${this.#options.name} did not start again: ${(error as Error).message}`);
      if (this.#child === undefined && !this.#stopping) {
        this.#retry = setTimeout(() => this.#restart(), this.#backoff.next(0));
      }
    }
  }
}

/** Reads bubblewrap's report from the status descriptor. */
async function reportedPid(child: ChildProcess): Promise<number> {
  const pipe = child.stdio[STATUS_FD];
  if (!pipe || !("setEncoding" in pipe)) throw new Error("no status descriptor");
  let text = "";
  pipe.setEncoding("utf8");
  for await (const chunk of pipe) text += chunk;
  const report: unknown = JSON.parse(text);
  if (typeof report === "object" && report !== null && "child-pid" in report) return Number(report["child-pid"]);
  throw new Error(`unexpected report of bubblewrap: ${text}`);
}
