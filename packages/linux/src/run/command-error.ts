// The failure of a command: which program, how it ended, and the end of what it said.
import { WrennError } from "@wrenn/core";

/**
 * - `spawn`: the program could not be started.
 * - `exit`: it ended with a status other than 0; `signal`: a signal ended it.
 * - `timeout`, `aborted`, `output`: it was killed, because its time was up, because the caller's
 *   AbortSignal fired, or because it printed more than `maxOutput`.
 */
export type CommandFailure = "spawn" | "exit" | "signal" | "timeout" | "aborted" | "output";

export interface CommandOutcome {
  reason: CommandFailure;
  /** The program, as it was named. Arguments are left out: they may be long. */
  argv0: string;
  /** Exit status, or null when there is none. */
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  /** The last 4 KiB of standard error. */
  stderr: string;
  cause?: unknown;
}

/** `deadline_exceeded` for a time-out, `internal` for every other reason. */
export class CommandError extends WrennError {
  readonly reason: CommandFailure;
  readonly argv0: string;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;

  constructor(outcome: CommandOutcome) {
    super(outcome.reason === "timeout" ? "deadline_exceeded" : "internal", describe(outcome), {
      cause: outcome.cause,
    });
    this.reason = outcome.reason;
    this.argv0 = outcome.argv0;
    this.exitCode = outcome.exitCode;
    this.signal = outcome.signal;
    this.stderr = outcome.stderr;
  }
}

function describe(outcome: CommandOutcome): string {
  const lastWords = outcome.stderr.trimEnd().split("\n").at(-1)?.slice(0, 200) ?? "";
  const detail = lastWords === "" ? "" : `: ${lastWords}`;
  switch (outcome.reason) {
    case "spawn":
      return `${outcome.argv0} could not be started; is it installed?`;
    case "exit":
      return `${outcome.argv0} exited with status ${outcome.exitCode}${detail}`;
    case "signal":
      return `${outcome.argv0} was ended by ${outcome.signal}${detail}`;
    case "timeout":
      return `${outcome.argv0} was killed: it took too long${detail}`;
    case "aborted":
      return `${outcome.argv0} was killed: the operation was cancelled`;
    case "output":
      return `${outcome.argv0} was killed: it printed too much`;
  }
}
