// The service process.Process.
import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { WrennError } from "@wrenn/core";
import {
  type ConnectRequest,
  type Process,
  ProcessInfoSchema,
  type ProcessInput,
  type ProcessSelector,
  type PTY,
  type StartRequest,
  type StreamInputRequest,
} from "@wrenn/rpc/envd";
import type { Log } from "../agent/log.ts";
import type { AgentState } from "../agent/state.ts";
import { setWindowSize } from "../platform/libc.ts";
import { streaming, unary } from "../rpc/call.ts";
import type { Attachments } from "../streams/attachments.ts";
import { requestUser } from "../users/request-user.ts";
import type { UserDirectory } from "../users/user-directory.ts";
import { checkConfig } from "./command.ts";

import type { ManagedProcess } from "./managed-process.ts";
import { processEvents } from "./process-events.ts";
import type { ProcessTable } from "./process-table.ts";
import { signalName } from "./signals.ts";

const DEFAULT_SIZE = { cols: 80, rows: 24 };
const MAX_CELLS = 0xffff;

export interface ProcessServiceOptions {
  table: ProcessTable;
  users: UserDirectory;
  state: AgentState;
  log: Log;
  attachments: Attachments;
}

export function processService({
  table,
  users,
  state,
  log,
  attachments,
}: ProcessServiceOptions): ServiceImpl<typeof Process> {
  async function* start(request: StartRequest, context: HandlerContext) {
    const process = table.start({
      user: requestUser(context.requestHeader, users, state),
      config: checkConfig(request.process),
      tag: request.tag,
      // Absent means true: old clients do not send it.
      stdin: request.stdin ?? true,
      terminal: request.pty && terminalSize(request.pty),
      timeoutMs: timeLimit(request.timeoutMs, context.timeoutMs()),
    });
    const subscription = process.subscribe();
    const leave = attachments.attach(
      subscription,
      request.killOnDisconnect ? () => process.kill() : undefined,
    );
    void table.attend(process);
    try {
      yield* processEvents(process.startEvent, subscription, context);
    } finally {
      leave();
    }
  }

  async function* connect(request: ConnectRequest, context: HandlerContext) {
    const process = table.find(request.process);
    const subscription = process.subscribe();
    const leave = attachments.attach(subscription);
    try {
      yield* processEvents(process.startEvent, subscription, context);
    } finally {
      leave();
    }
  }

  async function send(process: ManagedProcess, input: ProcessInput | undefined, signal: AbortSignal) {
    const given = input?.input;
    if (given?.case === undefined) throw missing("input", "input must hold 'stdin' or 'pty' bytes");
    await process.input.write(given.case, given.value, signal);
  }

  async function streamInput(requests: AsyncIterable<StreamInputRequest>, context: HandlerContext) {
    let process: ManagedProcess | undefined;
    for await (const { event } of requests) {
      if (event.case === "start") process = table.findRunning(event.value.process);
      if (event.case !== "data") continue;
      if (process === undefined) throw missing("start", "the first message must be 'start'");
      await send(process, event.value.input, context.signal);
    }
    return {};
  }

  return {
    start: streaming(log, start),
    connect: streaming(log, connect),
    streamInput: unary(log, streamInput),
    list: unary(log, () => ({
      processes: table
        .running()
        .map(({ config, pid, tag }) =>
          create(ProcessInfoSchema, { config, pid, ...(tag === undefined ? {} : { tag }) }),
        ),
    })),
    sendInput: unary(log, async ({ process, input }, { signal }) => {
      await send(table.findRunning(process), input, signal);
      return {};
    }),
    closeStdin: unary(log, ({ process }: { process?: ProcessSelector | undefined }) => {
      table.findRunning(process).input.close();
      return {};
    }),
    sendSignal: unary(log, ({ process, signal, tree }) => {
      const name = signalName(signal);
      table.findRunning(process).signal(name, tree);
      return {};
    }),
    update: unary(log, ({ process: selector, pty }) => {
      const process = table.findRunning(selector);
      if (process.master === undefined)
        throw new WrennError("invalid_state", `process ${process.pid} has no terminal`);
      const { cols, rows } = terminalSize(pty);
      setWindowSize(process.master, cols, rows);
      return {};
    }),
  };
}

/** The size in a PTY message; absent: 80 by 24. */
function terminalSize(pty: PTY | undefined): { cols: number; rows: number } {
  const { cols, rows } = pty?.size ?? DEFAULT_SIZE;
  if (cols < 1 || rows < 1 || cols > MAX_CELLS || rows > MAX_CELLS) {
    throw missing("pty.size", `cols and rows must be 1 to ${MAX_CELLS}`);
  }
  return { cols, rows };
}

/**
 * The process's time: the request's own, and that of the call (`Connect-Timeout-Ms`), which counts for the process
 * also when its caller has gone before. 0 = none.
 */
function timeLimit(requestMs: number, callMs: number | undefined): number {
  if (callMs === undefined) return requestMs;
  return requestMs === 0 ? Math.max(1, callMs) : Math.min(requestMs, Math.max(1, callMs));
}

function missing(field: string, message: string): WrennError {
  return new WrennError("invalid_argument", message, { field });
}
