// Running commands in a guest: to the end with captured output, or as a stream of events.
import { Buffer } from "node:buffer";
import { LIMITS, WrennError } from "@wrenn/core";
import { type ProcessEvent, type ProcessEvent_EndEvent, Signal } from "@wrenn/rpc/envd";
import type { GuestClient } from "./client.ts";
import { guestError } from "./errors.ts";

export interface Command {
  cmd: string;
  args: string[];
  envs: Record<string, string>;
  /** Empty = the guest's default. */
  cwd: string;
  /** Empty = the guest's default user. */
  user: string;
  /** `seconds`; 0 = no limit. */
  timeoutSec: number;
  requestId: string | undefined;
}

/** How a command ended. Exactly one of the three is the answer: a time-out, a signal, an exit code. */
export interface Ending {
  exitCode: number;
  signal: string;
  timedOut: boolean;
}

export interface Captured extends Ending {
  stdout: Buffer;
  stderr: Buffer;
  /** A stream was longer than the capture bound; the command ran on, its further output was discarded. */
  truncated: boolean;
}

export type ExecEvent =
  | { type: "start"; pid: number }
  | { type: "stdout"; data: Uint8Array }
  | { type: "stderr"; data: Uint8Array }
  | ({ type: "end" } & Ending);

/** How long the guest gets to report a time-out that it enforces itself before the connection counts as lost, `ms`. */
const TIMEOUT_GRACE_MS = 15_000;

/** Runs a command to its end. Rejects with `command_not_found`, `invalid_argument` or `guest_unreachable`. */
export async function runCaptured(
  guest: Pick<GuestClient, "process">,
  command: Command,
  options: { stdin?: Uint8Array; signal: AbortSignal },
): Promise<Captured> {
  const stdout = new Capture(LIMITS.captureBytes);
  const stderr = new Capture(LIMITS.captureBytes);
  const signal = withDeadline(command, options.signal);
  const withInput = options.stdin !== undefined && options.stdin.length > 0;
  for await (const event of runStreamed(guest, command, { stdin: withInput, signal })) {
    if (event.type === "stdout") stdout.add(event.data);
    else if (event.type === "stderr") stderr.add(event.data);
    else if (event.type === "start") {
      if (withInput && options.stdin) feed(guest, event.pid, options.stdin, signal);
    } else {
      const { exitCode, signal: endedBy, timedOut } = event;
      const truncated = stdout.truncated || stderr.truncated;
      return {
        exitCode,
        signal: endedBy,
        timedOut,
        truncated,
        stdout: stdout.bytes(),
        stderr: stderr.bytes(),
      };
    }
  }
  throw new WrennError(
    "guest_unreachable",
    `${command.cmd}: the guest agent ended the stream without saying how it went`,
  );
}

/**
 * Runs a command and yields what happens: `start` first, `end` last. Slow consumers slow the command down. Leaving the
 * loop, or aborting, kills the command and everything it started. A stream that breaks throws; it never looks like an end.
 */
export async function* runStreamed(
  guest: Pick<GuestClient, "process">,
  command: Command,
  options: { stdin: boolean; pty?: { cols: number; rows: number } | undefined; signal: AbortSignal },
): AsyncGenerator<ExecEvent> {
  const request = {
    process: {
      cmd: command.cmd,
      args: command.args,
      envs: command.envs,
      ...(command.cwd === "" ? {} : { cwd: command.cwd }),
    },
    ...(options.pty === undefined ? {} : { pty: { size: options.pty } }),
    stdin: options.stdin,
    timeoutMs: command.timeoutSec * 1000,
    killOnDisconnect: true,
  };
  try {
    for await (const { event } of guest.process.start(request, {
      headers: headersOf(command),
      signal: options.signal,
    })) {
      const translated = event && translate(event);
      if (translated) yield translated;
    }
  } catch (reason) {
    throw guestError(reason, command.cmd);
  }
}

export type ProcessInput =
  | { case: "stdin"; value: Uint8Array }
  | { case: "pty"; value: Uint8Array }
  | { case: "stdinClose" }
  | { case: "signal"; value: string; tree: boolean }
  | { case: "resize"; value: { cols: number; rows: number } };

/** Passes input or a signal to a running command. */
export async function sendInput(
  guest: Pick<GuestClient, "process">,
  pid: number,
  input: ProcessInput,
): Promise<void> {
  const process = { selector: { case: "pid", value: pid } } as const;
  try {
    switch (input.case) {
      case "stdin":
      case "pty":
        await guest.process.sendInput({ process, input: { input } });
        return;
      case "stdinClose":
        await guest.process.closeStdin({ process });
        return;
      case "resize":
        await guest.process.update({ process, pty: { size: input.value } });
        return;
      case "signal":
        await guest.process.sendSignal({ process, signal: signalNumber(input.value), tree: input.tree });
    }
  } catch (reason) {
    throw guestError(reason, `input for process ${pid}`);
  }
}

/** Number of a signal that callers may send, by its POSIX name. Throws `invalid_argument` for any other. */
function signalNumber(name: string): Signal {
  const value: unknown = Object.hasOwn(Signal, name) ? Signal[name as keyof typeof Signal] : undefined;
  if (typeof value === "number" && value !== Signal.UNSPECIFIED) return value as Signal;
  throw new WrennError("invalid_argument", `signal ${name} cannot be sent`, { field: "signal" });
}

function translate(event: ProcessEvent): ExecEvent | undefined {
  switch (event.event.case) {
    case "start":
      return { type: "start", pid: event.event.value.pid };
    case "end":
      return { type: "end", ...ending(event.event.value) };
    case "data": {
      const { output } = event.event.value;
      if (output.case === undefined) return undefined;
      return { type: output.case === "stderr" ? "stderr" : "stdout", data: output.value };
    }
    default:
      return undefined;
  }
}

function ending(end: ProcessEvent_EndEvent): Ending {
  if (
    end.error !== undefined &&
    end.error !== "" &&
    !end.exited &&
    end.signal === undefined &&
    !end.timedOut
  ) {
    throw new WrennError("guest_unreachable", end.error);
  }
  return { exitCode: end.exitCode, signal: end.signal ?? "", timedOut: end.timedOut };
}

function headersOf(command: Command): Record<string, string> {
  return {
    ...(command.user === ""
      ? {}
      : { authorization: `Basic ${Buffer.from(`${command.user}:`).toString("base64")}` }),
    ...(command.requestId === undefined ? {} : { "x-request-id": command.requestId }),
  };
}

/** The guest enforces the time-out; this only bounds the wait for a guest that no longer answers. */
function withDeadline(command: Command, signal: AbortSignal): AbortSignal {
  if (command.timeoutSec === 0) return signal;
  return AbortSignal.any([signal, AbortSignal.timeout(command.timeoutSec * 1000 + TIMEOUT_GRACE_MS)]);
}

/** Size of one piece of stdin, `bytes`: what a pipe takes at once. */
const STDIN_CHUNK = 64 * 1024;

/** Writes all of stdin, then closes it. A command that ends without reading it is not a failure. */
function feed(
  guest: Pick<GuestClient, "process">,
  pid: number,
  stdin: Uint8Array,
  signal: AbortSignal,
): void {
  const write = async () => {
    for (let at = 0; at < stdin.length && !signal.aborted; at += STDIN_CHUNK) {
      await sendInput(guest, pid, { case: "stdin", value: stdin.subarray(at, at + STDIN_CHUNK) });
    }
    await sendInput(guest, pid, { case: "stdinClose" });
  };
  write().catch(() => {
    // The command is gone or has closed its stdin: its own ending tells.
  });
}

/** Output up to a bound. */
class Capture {
  truncated = false;
  readonly #limit: number;
  #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(data: Uint8Array): void {
    const room = this.#limit - this.#size;
    if (data.length > room) this.truncated = true;
    const kept = data.subarray(0, Math.max(0, room));
    if (kept.length > 0) this.#chunks.push(kept);
    this.#size += kept.length;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}
