// @wrenn/core: what every part of the platform agrees on. Pure; imports no other package.
export { BOUNDS, GIB, LIMITS, MIB } from "./bounds.ts";
export { ERROR_CODES, type ErrorCode, isErrorCode, WrennError, type WrennErrorOptions } from "./errors.ts";
export {
  assertName,
  assertSandboxId,
  isName,
  isSandboxId,
  NAME_PATTERN,
  newSandboxId,
  newToken,
  SANDBOX_ID_PATTERN,
} from "./ids.ts";
export {
  type LazyPages,
  type LazyPagesRef,
  openLazyPages,
  type PageRange,
  type PageRun,
} from "./lazy-pages.ts";
export {
  assertTransition,
  canTransition,
  predecessors,
  SANDBOX_STATUSES,
  type SandboxStatus,
  TRANSITIONS,
} from "./sandbox-state.ts";
export { type Release, Scope } from "./scope.ts";
