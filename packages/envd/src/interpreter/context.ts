// A place for code that keeps its state: one kernel, one execution at a time.
import { WrennError } from "@wrenn/core";
import { Execution } from "./execution.ts";
import type { Kernel, Life } from "./kernel.ts";
import type { Language } from "./request.ts";

/** Executions that wait in one context. */
const MAX_WAITING = 64;

export interface ContextOptions {
  id: string;
  language: Language;
  cwd: string;
  /** A new kernel that has begun in the context's directory. */
  begin: (language: Language, cwd: string) => Promise<Kernel>;
  stallMs: number;
}

export class Context {
  readonly id: string;
  readonly language: Language;
  readonly cwd: string;
  readonly #options: ContextOptions;
  readonly #waiting: Execution[] = [];
  #current: Execution | undefined;
  #kernel: Promise<Kernel> | undefined;
  #isRemoved = false;
  #count = 0;

  constructor(options: ContextOptions) {
    this.id = options.id;
    this.language = options.language;
    this.cwd = options.cwd;
    this.#options = options;
  }

  /** Resolves when its kernel is there. One that has ended is replaced. */
  async ready(): Promise<void> {
    await this.#up();
  }

  /** Takes code in; it runs when all that came before it has. Throws `capacity`. */
  execute(code: string, envs: Readonly<Record<string, string>>): Execution {
    if (this.#waiting.length >= MAX_WAITING) {
      throw new WrennError("capacity", `at most ${MAX_WAITING} executions wait in one context`, {
        retryAfterSec: 1,
      });
    }
    const execution = new Execution(++this.#count, code, envs, this.#options.stallMs);
    this.#waiting.push(execution);
    if (this.#current === undefined) void this.#work();
    return execution;
  }

  /** Nobody wants the results any more: takes it out of the queue, or interrupts it. */
  abandon(execution: Execution): void {
    execution.output.close();
    const at = this.#waiting.indexOf(execution);
    if (at >= 0) this.#waiting.splice(at, 1);
    if (execution.state === "running") this.#interrupt(execution);
  }

  /** Interrupts what runs. */
  interrupt(): void {
    if (this.#current !== undefined) this.#interrupt(this.#current);
  }

  /** Another copy of the guest from here on. */
  renew(life: () => Life): void {
    this.#kernel?.then(
      (kernel) => kernel.renew(life()),
      () => undefined,
    );
  }

  /** Begins anew, without any state. What runs ends with an error; what waits runs in the new kernel. */
  async restart(): Promise<void> {
    await this.#down();
    await this.#up();
  }

  /** Ends it for good. */
  async remove(): Promise<void> {
    this.#isRemoved = true;
    for (const execution of this.#waiting.splice(0)) {
      execution.fail("ContextRemoved", "the context was removed before the code had its turn");
      execution.end();
    }
    await this.#down();
  }

  #interrupt({ id }: Execution): void {
    this.#kernel?.then(
      (kernel) => kernel.interrupt(id),
      () => undefined,
    );
  }

  async #down(): Promise<void> {
    const kernel = await this.#kernel?.catch(() => undefined);
    kernel?.end();
    await kernel?.ended;
  }

  #up(): Promise<Kernel> {
    if (this.#isRemoved) {
      const message = `Context ${this.id} was removed`;
      return Promise.reject(new WrennError("not_found", message, { field: "context_id" }));
    }
    if (this.#kernel === undefined) {
      const { begin } = this.#options;
      const kernel = begin(this.language, this.cwd);
      const forget = () => {
        if (this.#kernel === kernel) this.#kernel = undefined;
      };
      kernel.then((begun) => begun.ended.then(forget), forget);
      this.#kernel = kernel;
    }
    return this.#kernel;
  }

  async #work(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      this.#current = next;
      next.state = "running";
      await this.#carryOut(next);
      next.end();
    }
    this.#current = undefined;
  }

  async #carryOut(execution: Execution): Promise<void> {
    try {
      const kernel = await this.#up();
      const isDone = await kernel.execute(execution, (line) => execution.add(line));
      if (!isDone) execution.fail("KernelEnded", this.#isRemoved ? "the context was removed" : ENDED);
    } catch (reason) {
      execution.fail("KernelFailed", WrennError.from(reason, "no kernel could be started").message);
    }
  }
}

const ENDED = "the kernel was restarted, or ended by itself or for lack of memory; its variables are gone";
