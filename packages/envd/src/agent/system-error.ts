// What the kernel refused, in the platform's terms.
import { type ErrorCode, WrennError } from "@wrenn/core";

/** Error codes by errno name. What is not here is a fault of ours or of the machine: `internal`. */
const CODES: Partial<Record<string, ErrorCode>> = {
  ENOENT: "not_found",
  ENOTDIR: "invalid_argument",
  EISDIR: "not_a_file",
  EEXIST: "already_exists",
  ENOTEMPTY: "already_exists",
  EACCES: "forbidden",
  EPERM: "forbidden",
  EROFS: "forbidden",
  ENAMETOOLONG: "invalid_argument",
  EINVAL: "invalid_argument",
  EXDEV: "invalid_argument",
  ELOOP: "invalid_argument",
  E2BIG: "too_large",
  EFBIG: "too_large",
  EBUSY: "invalid_state",
  ETXTBSY: "invalid_state",
  ENOSPC: "no_space",
  EDQUOT: "no_space",
  EAGAIN: "capacity",
  ENOMEM: "capacity",
  EMFILE: "capacity",
  ENFILE: "capacity",
};

/** The errno name of what node or Bun threw, if it has one. */
export function errnoOf(reason: unknown): string | undefined {
  const code = reason instanceof Error ? (reason as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" ? code : undefined;
}

/**
 * The failure of a system call as a WrennError. `attempt` says what was tried, on what; `field` names the
 * request's field that the path came from.
 */
export function systemError(reason: unknown, attempt: string, field?: string): WrennError {
  if (reason instanceof WrennError) return reason;
  const errno = errnoOf(reason);
  const code = (errno !== undefined && CODES[errno]) || "internal";
  return new WrennError(code, `${attempt}: ${errno ?? "failed"}`, { cause: reason, field });
}
