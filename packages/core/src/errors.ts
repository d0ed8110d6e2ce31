// The closed set of failures that cross a process boundary, and the one table that maps them.

/**
 * What each code becomes outside: the HTTP status of the REST API and the name of the Connect code
 * on the RPCs (https://connectrpc.com/docs/protocol#error-codes). Several codes may share a Connect
 * code; the precise one then travels in the error's `wrenn-code` metadata.
 */
export const ERROR_CODES = {
  invalid_argument: { http: 400, connect: "invalid_argument" },
  command_not_found: { http: 400, connect: "invalid_argument" },
  not_a_file: { http: 400, connect: "invalid_argument" },
  unauthorized: { http: 401, connect: "unauthenticated" },
  forbidden: { http: 403, connect: "permission_denied" },
  not_found: { http: 404, connect: "not_found" },
  already_exists: { http: 409, connect: "already_exists" },
  invalid_state: { http: 409, connect: "failed_precondition" },
  isolation_unavailable: { http: 409, connect: "failed_precondition" },
  /** Saved memory that this host cannot continue; its disk can still be booted. */
  snapshot_incompatible: { http: 409, connect: "failed_precondition" },
  /** Saved memory that is not what was written; its disk can still be booted. No host can continue it. */
  snapshot_damaged: { http: 409, connect: "failed_precondition" },
  idempotency_mismatch: { http: 409, connect: "failed_precondition" },
  too_large: { http: 413, connect: "resource_exhausted" },
  unsupported_media_type: { http: 415, connect: "invalid_argument" },
  capacity: { http: 429, connect: "resource_exhausted" },
  internal: { http: 500, connect: "internal" },
  not_implemented: { http: 501, connect: "unimplemented" },
  guest_unreachable: { http: 502, connect: "unavailable" },
  unavailable: { http: 503, connect: "unavailable" },
  deadline_exceeded: { http: 504, connect: "deadline_exceeded" },
  no_space: { http: 507, connect: "resource_exhausted" },
} as const satisfies Record<string, { http: number; connect: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface WrennErrorOptions {
  /** The request field that is wrong, as the caller spelled it (`cmd`, `metadata.owner`). */
  field?: string | undefined;
  /** Whole seconds after which trying again makes sense; becomes `Retry-After`. */
  retryAfterSec?: number | undefined;
  /** The underlying failure. Logged, never sent out. */
  cause?: unknown;
}

/**
 * The one error type of the platform. The message says what was attempted, on what, and what to do;
 * it may be shown to the caller, so it holds no secret and no stack.
 */
export class WrennError extends Error {
  override readonly name = "WrennError";
  readonly code: ErrorCode;
  readonly field: string | undefined;
  readonly retryAfterSec: number | undefined;

  constructor(code: ErrorCode, message: string, options: WrennErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.field = options.field;
    this.retryAfterSec = options.retryAfterSec;
  }

  /** HTTP status of this error. */
  get httpStatus(): number {
    return ERROR_CODES[this.code].http;
  }

  /** Any thrown value as a WrennError: itself if it is one, else `internal` with the value as cause. */
  static from(reason: unknown, fallback = "internal error"): WrennError {
    if (reason instanceof WrennError) return reason;
    return new WrennError("internal", fallback, { cause: reason });
  }
}

/** Whether a string is one of {@link ERROR_CODES}. */
export function isErrorCode(value: string): value is ErrorCode {
  return Object.hasOwn(ERROR_CODES, value);
}
