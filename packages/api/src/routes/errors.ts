// The failures that groups of routes have in common.
import type { ErrorCode } from "@wrenn/core";

/** Any route behind a key. */
export const KEYED = [
  "invalid_argument",
  "unauthorized",
  "internal",
  "unavailable",
] as const satisfies ErrorCode[];

/** Any route that reads a JSON body. */
export const WITH_BODY = [...KEYED, "too_large", "unsupported_media_type"] as const satisfies ErrorCode[];

/** What a host may answer. */
export const ON_HOST = [
  "not_found",
  "invalid_state",
  "capacity",
  "guest_unreachable",
  "deadline_exceeded",
  "no_space",
] as const satisfies ErrorCode[];

/** Where saved memory is continued. */
export const FROM_MEMORY = ["snapshot_incompatible", "snapshot_damaged"] as const satisfies ErrorCode[];

/** A repeated Idempotency-Key with another body. */
export const IDEMPOTENT = ["idempotency_mismatch"] as const satisfies ErrorCode[];

/** What a host of an older version lacks. */
export const NEWER_HOST = ["not_implemented"] as const satisfies ErrorCode[];
