// Streaming exec over the RPC: events out, input in.
import { WrennError } from "@wrenn/core";
import type { ExecStreamRequest, SendExecInputRequest } from "@wrenn/rpc/hostagent";
import { type ExecEvent, type ProcessInput, runStreamed, sendInput } from "../guest/exec.ts";
import type { SandboxManager } from "../sandbox/manager.ts";

const MAX_TERMINAL_CELLS = 10_000;

/** Yields what happens until the command has ended. The sandbox counts as active meanwhile. */
export async function* execStream(
  manager: SandboxManager,
  request: ExecStreamRequest,
  call: { requestId: string | undefined; signal: AbortSignal },
) {
  const { guest, gone, terminals, end } = manager.enter(request.sandboxId);
  let terminal: number | undefined;
  try {
    const { cmd, args, envs, cwd, user, timeoutSec } = request;
    const events = runStreamed(
      guest,
      { cmd, args, envs, cwd, user, timeoutSec, requestId: call.requestId },
      {
        stdin: request.stdin,
        pty: request.pty && terminalSize(request.pty),
        signal: AbortSignal.any([call.signal, gone]),
      },
    );
    for await (const event of events) {
      if (event.type === "start" && request.pty) {
        terminal = event.pid;
        terminals.add(terminal);
      }
      yield { event: toMessage(event) };
    }
  } finally {
    if (terminal !== undefined) terminals.delete(terminal);
    end();
  }
}

/** Passes one input message to a process of that sandbox. */
export async function sendExecInput(manager: SandboxManager, request: SendExecInputRequest): Promise<void> {
  const { guest, terminals, end } = manager.enter(request.sandboxId);
  try {
    await sendInput(guest, request.pid, toInput(request, terminals.has(request.pid)));
  } finally {
    end();
  }
}

function toInput({ input }: SendExecInputRequest, onTerminal: boolean): ProcessInput {
  switch (input.case) {
    case "stdin":
      return { case: onTerminal ? "pty" : "stdin", value: input.value };
    case "stdinClose":
      return { case: "stdinClose" };
    case "signal":
      return { case: "signal", value: input.value, tree: false };
    case "resize":
      return { case: "resize", value: terminalSize(input.value) };
    case "stop":
      return { case: "signal", value: "SIGKILL", tree: true };
    default:
      throw new WrennError("invalid_argument", "the message holds no input", { field: "input" });
  }
}

function toMessage(event: ExecEvent) {
  switch (event.type) {
    case "start":
      return { case: "start", value: { pid: event.pid } } as const;
    case "stdout":
      return { case: "data", value: { output: { case: "stdout", value: event.data } } } as const;
    case "stderr":
      return { case: "data", value: { output: { case: "stderr", value: event.data } } } as const;
    case "end":
      return {
        case: "end",
        value: { exitCode: event.exitCode, signal: event.signal, timedOut: event.timedOut },
      } as const;
  }
}

function terminalSize({ cols, rows }: { cols: number; rows: number }): { cols: number; rows: number } {
  for (const [field, value] of Object.entries({ cols, rows })) {
    if (value < 1 || value > MAX_TERMINAL_CELLS) {
      throw new WrennError("invalid_argument", `${field} must be from 1 to ${MAX_TERMINAL_CELLS}`, { field });
    }
  }
  return { cols, rows };
}
