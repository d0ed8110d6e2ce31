// Identifiers: how they are made, and what is accepted from outside.
import { randomBytes, randomInt } from "node:crypto";
import { WrennError } from "./errors.ts";

const SANDBOX_ID = /^sb-[a-z0-9]{16}$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";

/** A new sandbox id: `sb-` and 16 characters of a-z0-9 (82 bits) from the system's secure source. */
export function newSandboxId(): string {
  let id = "sb-";
  for (let i = 0; i < 16; i++) id += ALPHABET[randomInt(ALPHABET.length)];
  return id;
}

export function isSandboxId(value: string): boolean {
  return SANDBOX_ID.test(value);
}

/** Throws `invalid_argument` unless the value has the shape of a sandbox id. */
export function assertSandboxId(value: string, field = "sandbox_id"): void {
  if (!isSandboxId(value)) {
    throw new WrennError("invalid_argument", `${field} must match ${SANDBOX_ID.source}`, { field });
  }
}

/** Whether a value may name a template or a snapshot (and so become part of a path). */
export function isName(value: string): boolean {
  return NAME.test(value);
}

/** Throws `invalid_argument` unless the value may name a template or a snapshot. */
export function assertName(value: string, field = "name"): void {
  if (!isName(value))
    throw new WrennError("invalid_argument", `${field} must match ${NAME.source}`, { field });
}

/** A secret for one purpose: 32 random bytes as 64 hex digits. */
export function newToken(): string {
  return randomBytes(32).toString("hex");
}

export const NAME_PATTERN: string = NAME.source;
export const SANDBOX_ID_PATTERN: string = SANDBOX_ID.source;
