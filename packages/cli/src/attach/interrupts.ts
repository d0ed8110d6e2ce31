// Ctrl-C and its relatives: handed on to the command first, then the end of the work, never a mess.
import { CliError } from "../failure.ts";
import { signalStatus } from "./exit-status.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * From its making to its disposal, signals do not kill the process. SIGINT goes to `onInterrupt`, if
 * there is one, the first time; any other signal, and the second SIGINT, aborts {@link signal}.
 * After that they change nothing: clean-up goes on.
 */
export class Interrupts implements Disposable {
  /** Takes the first SIGINT. */
  onInterrupt: (() => void) | undefined;
  readonly #controller = new AbortController();
  readonly #process: NodeJS.EventEmitter;

  constructor(process: NodeJS.EventEmitter) {
    this.#process = process;
    for (const name of SIGNALS) process.on(name, this.#receive);
  }

  /** Aborted, with a {@link CliError} that has the right exit status, when the work must end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) this.#process.off(name, this.#receive);
  }

  readonly #receive = (name: string): void => {
    const { onInterrupt } = this;
    if (name === "SIGINT" && onInterrupt) {
      this.onInterrupt = undefined;
      onInterrupt();
      return;
    }
    this.#controller.abort(new CliError(`stopped by ${name}`, { exitStatus: signalStatus(name) }));
  };
}
