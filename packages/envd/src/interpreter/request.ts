// Bodies of the code interpreter's requests, checked.
import { LIMITS, WrennError } from "@wrenn/core";

export const LANGUAGES = ["python", "bash"] as const;
export type Language = (typeof LANGUAGES)[number];

export interface ExecuteRequest {
  code: string;
  contextId: string | undefined;
  language: Language;
  envs: Record<string, string>;
}

export interface ContextRequest {
  language: Language;
  cwd: string | undefined;
}

/** A name that every language's environment can hold. */
const VARIABLE = /^[A-Za-z_]\w{0,255}$/;

/** Reads `{code, context_id?, language?, env_vars?}`; `null` counts as absent. Errors: `invalid_argument` with the field. */
export function parseExecute(body: unknown): ExecuteRequest {
  const { code, context_id, language, env_vars } = record(body);
  if (typeof code !== "string") throw wrong("code", "must be a text");
  if (code.includes("\0")) throw wrong("code", "holds a NUL byte");
  const contextId = optionalText(context_id, "context_id");
  if (contextId !== undefined && optionalText(language, "language") !== undefined) {
    throw wrong("language", "cannot be given together with context_id: a context has its language");
  }
  return { code, contextId, language: parseLanguage(language), envs: parseEnvironment(env_vars ?? {}) };
}

/** Reads `{language?, cwd?}`. */
export function parseContext(body: unknown): ContextRequest {
  const { language, cwd } = record(body);
  return { language: parseLanguage(language), cwd: optionalText(cwd, "cwd") };
}

function parseLanguage(value: unknown): Language {
  const name = optionalText(value, "language") ?? "python";
  const language = LANGUAGES.find((known) => known === name);
  if (language === undefined) {
    throw wrong(
      "language",
      `must be one of: ${LANGUAGES.join(", ")}; this sandbox does not run '${name.slice(0, 64)}'`,
    );
  }
  return language;
}

function parseEnvironment(value: unknown): Record<string, string> {
  const envs = record(value, "env_vars");
  const entries = Object.entries(envs);
  if (entries.length > LIMITS.envs) throw wrong("env_vars", `holds more than ${LIMITS.envs} variables`);
  for (const [name, text] of entries) {
    if (!VARIABLE.test(name))
      throw wrong("env_vars", `cannot hold a variable of that name: '${name.slice(0, 64)}'`);
    if (typeof text !== "string" || text.includes("\0"))
      throw wrong("env_vars", `.${name} must be a text without NUL bytes`);
  }
  return envs as Record<string, string>;
}

function optionalText(value: unknown, field: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string" || value === "") throw wrong(field, "must be a text that is not empty");
  return value;
}

function record(value: unknown, field?: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  if (field !== undefined) throw wrong(field, "must be a JSON object");
  throw new WrennError("invalid_argument", "the body must be a JSON object");
}

function wrong(field: string, why: string): WrennError {
  return new WrennError("invalid_argument", `${field} ${why}`, { field });
}
