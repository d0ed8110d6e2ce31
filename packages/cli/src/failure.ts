// How a command fails, what is said about it, and which exit status it gets.
import { WrennApiError, WrennConnectionError } from "@wrenn/sdk";

/** A failure that the user can do something about; the message says what. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitStatus: number;

  constructor(message: string, { exitStatus = 1, cause }: { exitStatus?: number; cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitStatus = exitStatus;
  }
}

/** A command line that cannot be meant. */
export class UsageError extends CliError {
  constructor(message: string) {
    super(message, { exitStatus: 2 });
  }
}

/** One line (or a few) for the user. Only what nobody expected comes with a stack. */
export function describeFailure(error: unknown): string {
  if (error instanceof WrennApiError) return describeApiError(error);
  if (error instanceof WrennConnectionError) {
    return `${error.message}\nIs the platform running? Start it with: wrenn up`;
  }
  if (error instanceof CliError || isSystemError(error)) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

export function exitStatusOfFailure(error: unknown): number {
  return error instanceof CliError ? error.exitStatus : 1;
}

function describeApiError({ message, code, field, requestId, retryAfterSec }: WrennApiError): string {
  const details = [
    code,
    field !== undefined && `field ${field}`,
    retryAfterSec !== undefined && `try again in ${retryAfterSec} s`,
    requestId !== undefined && `request ${requestId}`,
  ].filter((detail) => detail !== false);
  const advice =
    code === "unauthorized"
      ? "\nSet WRENN_API_KEY, or run as a user that can read the platform's api-key file."
      : "";
  return `${message} (${details.join(", ")})${advice}`;
}

/** A failed system call says what and where by itself: `ENOENT: no such file or directory, open 'x'`. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === "string";
}
