// WrennErrors on the wire: as ConnectErrors for the RPCs, as JSON for the raw routes.
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { ERROR_CODES, WrennError } from "@wrenn/core";
import type { UnaryCall } from "@wrenn/rpc/unary";
import type { Logger } from "pino";

const CONNECT_CODES: Record<(typeof ERROR_CODES)[keyof typeof ERROR_CODES]["connect"], Code> = {
  invalid_argument: Code.InvalidArgument,
  unauthenticated: Code.Unauthenticated,
  permission_denied: Code.PermissionDenied,
  not_found: Code.NotFound,
  already_exists: Code.AlreadyExists,
  failed_precondition: Code.FailedPrecondition,
  resource_exhausted: Code.ResourceExhausted,
  internal: Code.Internal,
  unimplemented: Code.Unimplemented,
  unavailable: Code.Unavailable,
  deadline_exceeded: Code.DeadlineExceeded,
};

/** A WrennError as a ConnectError that carries the precise code (`wrenn-code`) and field (`wrenn-field`) as metadata. */
export function toConnectError(error: WrennError): ConnectError {
  const metadata = new Headers({ "wrenn-code": error.code });
  if (error.field !== undefined) metadata.set("wrenn-field", error.field);
  if (error.retryAfterSec !== undefined) metadata.set("wrenn-retry-after", String(error.retryAfterSec));
  return new ConnectError(error.message, CONNECT_CODES[ERROR_CODES[error.code].connect], metadata);
}

/** The JSON body of a failed raw route. */
export function errorBody(error: WrennError): string {
  return JSON.stringify({ code: error.code, message: error.message, field: error.field });
}

/** Runs a unary call: logs it with the request id that came with it, and turns what it throws into a ConnectError. */
export async function translated<T>(log: Logger, call: UnaryCall, run: () => Promise<T>): Promise<T> {
  const began = performance.now();
  try {
    const result = await run();
    if (log.isLevelEnabled("debug")) log.debug({ ...fieldsOf(call), ms: elapsed(began) }, "rpc");
    return result;
  } catch (reason) {
    throw translate(log, call, { reason, began });
  }
}

/** The same for calls that come through connect-node, streams included. */
export function errorInterceptor(log: Logger): Interceptor {
  return (next) => async (call) => {
    const began = performance.now();
    const { method, signal, header: requestHeader } = call;
    const logged = { method, signal, requestHeader };
    const response = await translated(log, logged, () => next(call));
    if (!response.stream) return response;
    const messages = guarded(response.message, (reason) => translate(log, logged, { reason, began }));
    return { ...response, message: messages };
  };
}

function translate(
  log: Logger,
  call: UnaryCall,
  { reason, began }: { reason: unknown; began: number },
): ConnectError {
  if (reason instanceof ConnectError) return reason;
  // Nobody is left to be told, and nothing is broken.
  if (call.signal.aborted) return ConnectError.from(call.signal.reason, Code.Canceled);
  const error = WrennError.from(reason, "the host agent failed; its log has the reason");
  logFailure(log, error, { ...fieldsOf(call), ms: elapsed(began) }, "rpc failed");
  return toConnectError(error);
}

function fieldsOf({ method, requestHeader }: UnaryCall) {
  return { rpc: method.name, request_id: requestHeader.get("x-request-id") ?? undefined };
}

/** A stream's messages; what is thrown between them is translated too. */
async function* guarded<T>(messages: AsyncIterable<T>, translate: (reason: unknown) => ConnectError) {
  try {
    yield* messages;
  } catch (reason) {
    throw translate(reason);
  }
}

/** Expected failures (a missing file, a full host) are one line; unexpected ones carry stack and cause. */
export function logFailure(
  log: Logger,
  error: WrennError,
  fields: Record<string, unknown>,
  message: string,
): void {
  if (error.code === "internal") log.error({ ...fields, err: error }, message);
  else log.info({ ...fields, code: error.code, reason: error.message }, message);
}

function elapsed(began: number): number {
  return Math.round((performance.now() - began) * 100) / 100;
}
