// The exit status of a command that ran elsewhere, in the conventions of shells and timeout(1).
import { constants } from "node:os";
import { type ExecExit, WrennApiError } from "@wrenn/sdk";

export const TIMED_OUT = 124;
/** The platform failed: what the command did is unknown. Not 1, which is a common status of commands. */
export const PLATFORM_FAILED = 125;
export const NOT_FOUND = 127;

/** The command's own status; 124 when it timed out, 128 + number when a signal killed it. */
export function exitStatus({ exitCode, signal, timedOut }: ExecExit): number {
  if (timedOut === true) return TIMED_OUT;
  if (exitCode !== null) return exitCode;
  return signal === undefined ? PLATFORM_FAILED : signalStatus(signal);
}

/** 128 + the number of a signal by name. */
export function signalStatus(signal: string): number {
  const number = (constants.signals as Record<string, number>)[signal];
  return number === undefined ? PLATFORM_FAILED : 128 + number;
}

/** The status for a command that could not be run or was lost. */
export function failureStatus(error: unknown): number {
  return error instanceof WrennApiError && error.code === "command_not_found" ? NOT_FOUND : PLATFORM_FAILED;
}
