// The threads that serve faults: each blocks for the one machine that it serves, and is used again for the next.
import { Worker } from "node:worker_threads";
import type { ThreadMessage, ThreadSetup } from "./thread.ts";

export interface FaultThreadsOptions {
  /** Directory of mode 0700 in which compiled code is kept, so that threads start in less time and memory. */
  codeCacheDir?: string;
  /** Threads that are kept while they have nothing to do. Default: 2. A used one has its code compiled already. */
  spare?: number;
}

/** What the thread says about the machine that it serves; `crash` when it breaks down instead. */
export type ThreadListener = (message: ThreadMessage | { kind: "crash"; reason: unknown }) => void;

const DEFAULT_SPARE = 2;

/** A thread handles numbers and a map; what it reads goes through one buffer. */
const LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 };

/** All threads of one process. They keep it from ending only while they serve. */
export class FaultThreads implements AsyncDisposable {
  readonly #env: NodeJS.ProcessEnv;
  readonly #spare: number;
  readonly #idle = new Set<Worker>();

  constructor({ codeCacheDir, spare = DEFAULT_SPARE }: FaultThreadsOptions = {}) {
    this.#env = codeCacheDir === undefined ? {} : { NODE_COMPILE_CACHE: codeCacheDir };
    this.#spare = spare;
  }

  /** Starts a thread that waits for work, unless one does. */
  prepare(): void {
    if (this.#idle.size === 0) this.#keep(this.#start());
  }

  /** Has a thread serve. The listener is told until it has heard an end; what was set up may go after that. */
  serve(setup: ThreadSetup, listener: ThreadListener): void {
    const thread = this.#take();
    const done = () => {
      thread.off("message", onMessage).off("error", onError).off("exit", onExit);
    };
    const onMessage = (message: ThreadMessage) => {
      if (message.kind === "ended" || message.kind === "failed") {
        done();
        this.#keep(thread);
      }
      listener(message);
    };
    const onError = (reason: unknown) => {
      failure = reason;
    };
    const onExit = () => {
      done();
      listener({ kind: "crash", reason: failure });
    };
    let failure: unknown;
    thread.on("message", onMessage).on("error", onError).on("exit", onExit);
    thread.postMessage(setup);
  }

  /** Ends the threads that have nothing to do. */
  async [Symbol.asyncDispose](): Promise<void> {
    const idle = [...this.#idle];
    this.#idle.clear();
    await Promise.all(idle.map((thread) => thread.terminate()));
  }

  #start(): Worker {
    return new Worker(new URL("./thread.ts", import.meta.url), { resourceLimits: LIMITS, env: this.#env });
  }

  #take(): Worker {
    const [thread = this.#start()] = this.#idle;
    this.#idle.delete(thread);
    thread.removeAllListeners();
    thread.ref();
    return thread;
  }

  #keep(thread: Worker): void {
    if (this.#idle.size >= this.#spare) {
      void thread.terminate();
      return;
    }
    this.#idle.add(thread);
    thread.unref();
    const lose = () => this.#idle.delete(thread);
    thread.on("error", lose).on("exit", lose);
  }
}
