// What every RPC of the agent has around it.
import { Code, createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { Log } from "../agent/log.ts";
import { toConnectError } from "./errors.ts";

/** The HTTP side of a call. */
export interface Connection {
  requestId: string | undefined;
  /** Breaks the connection of a call whose answer nobody takes. Set once there is an answer. */
  abort: (() => void) | undefined;
}

export const connectionKey = createContextKey<Connection | undefined>(undefined);

/** Wraps a method that answers once, so that failures leave as ConnectErrors and are logged. */
export function unary<I, O>(log: Log, method: (request: I, context: HandlerContext) => O | Promise<O>) {
  return async (request: I, context: HandlerContext): Promise<O> => {
    try {
      return await method(request, context);
    } catch (reason) {
      throw failure(log, reason, context);
    }
  };
}

/** As {@link unary}, for a method that answers with a stream. */
export function streaming<I, O>(log: Log, method: (request: I, context: HandlerContext) => AsyncIterable<O>) {
  return async function* (request: I, context: HandlerContext): AsyncGenerator<O> {
    try {
      yield* method(request, context);
    } catch (reason) {
      throw failure(log, reason, context);
    }
  };
}

function failure(log: Log, reason: unknown, context: HandlerContext) {
  const error = toConnectError(reason);
  log.write("warn", "rpc failed", {
    request_id: context.values.get(connectionKey)?.requestId,
    method: context.method.name,
    code: error.metadata.get("wrenn-code") ?? Code[error.code],
    // The cause's own text, for faults of ours; paths and contents stay out of the log otherwise.
    cause: error.metadata.get("wrenn-code") === "internal" ? causeOf(error.cause) : undefined,
  });
  return error;
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return String(cause).slice(0, 300);
}
