// Running one command in a sandbox on behalf of `run` and `exec`: attached, or captured as JSON.
import type { WrennClient } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { CliError, describeFailure, UsageError } from "../failure.ts";
import { print } from "../output/print.ts";
import { attach } from "./attach.ts";
import { exitStatus, failureStatus } from "./exit-status.ts";
import type { Interrupts } from "./interrupts.ts";
import { type CommandFlags, streamRequest } from "./request.ts";

export interface RemoteFlags extends CommandFlags {
  readonly interactive: boolean;
  readonly json: boolean;
}

/** The longest that the service lets a command run, in seconds: what no `--timeout` means for --json. */
const LONGEST_SEC = 86_400;

/** Fails before anything has been started for a command line that cannot be meant. */
export function checkRemoteFlags(context: Context, flags: RemoteFlags): void {
  if (flags.json && (flags.interactive || flags.tty)) {
    throw new UsageError("--json captures the output; it does not go with -i or -t");
  }
  if (flags.tty && flags.interactive && !context.process.stdin.isTTY) {
    throw new UsageError(
      "-t with -i needs a terminal as standard input; leave -t out to pipe into a command",
    );
  }
  streamRequest(context.remoteCommand ?? [], flags, context.process);
}

/** Runs the command behind `--` and answers with the exit status. */
export async function runRemote(
  context: Context,
  flags: RemoteFlags,
  { client, id, interrupts }: { client: WrennClient; id: string; interrupts: Interrupts },
): Promise<number> {
  const request = streamRequest(context.remoteCommand ?? [], flags, context.process);
  const { signal } = interrupts;
  try {
    if (flags.json) {
      const { pty: _, ...command } = request;
      const timeout_sec = flags.timeout ?? LONGEST_SEC;
      const result = await client.sandboxes.exec(id, { ...command, timeout_sec }, { signal });
      print(context.process.stdout, { json: true, value: result, text: () => "" });
      return exitStatus({
        exitCode: result.exit_code,
        ...(result.signal !== undefined && { signal: result.signal }),
        timedOut: result.timed_out ?? false,
      });
    }
    await using stream = await client.sandboxes.execStream(id, request, { signal });
    return exitStatus(await attach(stream, { ...flags, process: context.process, interrupts }));
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(describeFailure(error), { exitStatus: failureStatus(error), cause: error });
  }
}
