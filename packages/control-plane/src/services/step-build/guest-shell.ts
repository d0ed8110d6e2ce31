// Commands of a build in its guest, with their output line by line.
import { ConnectError } from "@connectrpc/connect";
import { WrennError } from "@wrenn/core";
import type { GuestAgent } from "../../hosts/guest-agent.ts";
import type { Surroundings } from "./plan.ts";

export interface Command {
  /** For `bash -c`, with arguments as `$1` and so on. */
  script: string;
  args?: string[];
  surroundings: Surroundings;
  timeoutMs: number;
}

/** A command that ended otherwise than with 0. */
export class CommandFailed extends WrennError {
  constructor(how: string) {
    super("invalid_argument", how);
  }
}

/** Runs a command to its end. Throws `CommandFailed`, or `guest_unreachable` when its end is not known. */
export async function runInGuest(
  guest: GuestAgent,
  command: Command,
  onLine: (line: string, stream: "stdout" | "stderr") => void,
): Promise<void> {
  const lines = { stdout: new Lines(), stderr: new Lines() };
  try {
    for await (const { event } of guest.process.start(request(command), { headers: as(command) })) {
      const inner = event?.event;
      if (inner?.case === "data") {
        const { output } = inner.value;
        if (output.case !== "stdout" && output.case !== "stderr") continue;
        for (const line of lines[output.case].push(output.value)) onLine(line, output.case);
      } else if (inner?.case === "end") {
        for (const stream of ["stdout", "stderr"] as const) {
          for (const line of lines[stream].end()) onLine(line, stream);
        }
        const { exitCode, status, timedOut } = inner.value;
        if (timedOut) throw new CommandFailed(`the command took longer than ${command.timeoutMs / 1000} s`);
        if (exitCode !== 0) throw new CommandFailed(`the command ended with ${status}`);
        return;
      }
    }
  } catch (reason) {
    if (reason instanceof WrennError) throw reason;
    const error = ConnectError.from(reason);
    throw new WrennError("guest_unreachable", `the command could not be followed: ${error.rawMessage}`, {
      cause: reason,
    });
  }
  throw new WrennError("guest_unreachable", "the command's end did not arrive");
}

/** Starts a command that stays. Returns once it runs. */
export async function startInGuest(guest: GuestAgent, command: Omit<Command, "timeoutMs">): Promise<void> {
  const controller = new AbortController();
  const options = { headers: as(command), signal: controller.signal };
  for await (const { event } of guest.process.start(request({ ...command, timeoutMs: 0 }), options)) {
    if (event?.event.case === "start") break;
  }
  controller.abort();
}

function request({ script, args = [], surroundings, timeoutMs }: Command) {
  const { workdir, envs } = surroundings;
  return {
    process: { cmd: "/bin/bash", args: ["-l", "-c", script, "bash", ...args], cwd: workdir, envs },
    stdin: false,
    timeoutMs,
  };
}

/** The user goes in the header that the agent reads it from. */
function as({ surroundings }: Pick<Command, "surroundings">): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${surroundings.user}:`).toString("base64")}` };
}

/** Bytes as lines; one that has no end within the bound is broken up. */
class Lines {
  readonly #decoder = new TextDecoder();
  #rest = "";

  push(bytes: Uint8Array): string[] {
    const lines = `${this.#rest}${this.#decoder.decode(bytes, { stream: true })}`.split("\n");
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > 8_192) {
      lines.push(this.#rest);
      this.#rest = "";
    }
    return lines;
  }

  end(): string[] {
    const rest = this.#rest + this.#decoder.decode();
    return rest === "" ? [] : [rest];
  }
}
