// The body of POST /init, checked.
import { LIMITS, WrennError } from "@wrenn/core";

export interface InitRequest {
  /** Variables for every process of the guest; others that it has already stay. */
  envVars?: Record<string, string>;
  accessToken?: string;
  /** Milliseconds since 1970. */
  timestamp?: number;
  defaultUser?: string;
  defaultWorkdir?: string;
  hostname?: string;
  /** 32 lower-case hexadecimal digits (machine-id(5)). */
  machineId?: string;
  entropy?: Uint8Array;
  /** Close every other connection: they belong to the time before a snapshot. */
  dropConnections?: boolean;
  /** Write variables, user and directory down, so that a boot from this disk has them, too. */
  keepDefaults?: boolean;
}

const HOSTNAME = /^(?=.{1,63}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?$/i;
const MACHINE_ID = /^(?!0{32}$)[0-9a-f]{32}$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Kernel's limit of one RNDADDENTROPY is larger; more than this has no use. */
const MAX_ENTROPY_BYTES = 512;
const MAX_TOKEN_CHARS = 1024;

/** Each field's reader. Other fields of the protocol that this agent has no use for are accepted and left. */
const FIELDS: { [K in keyof InitRequest]-?: (value: unknown) => InitRequest[K] | undefined } = {
  envVars: (value) => (isEnvironment(value) ? value : undefined),
  accessToken: (value) =>
    typeof value === "string" && value !== "" && value.length <= MAX_TOKEN_CHARS ? value : undefined,
  timestamp: (value) => (typeof value === "string" ? parseTime(value) : undefined),
  defaultUser: (value) => (isText(value) ? value : undefined),
  defaultWorkdir: (value) => (isText(value) && value.startsWith("/") ? value : undefined),
  hostname: (value) => (typeof value === "string" && HOSTNAME.test(value) ? value : undefined),
  machineId: (value) => (typeof value === "string" && MACHINE_ID.test(value) ? value : undefined),
  entropy: (value) => (typeof value === "string" ? parseEntropy(value) : undefined),
  dropConnections: (value) => (typeof value === "boolean" ? value : undefined),
  keepDefaults: (value) => (typeof value === "boolean" ? value : undefined),
};

/** Reads the body; `invalid_argument` naming the first field that is wrong. `null` counts as absent. */
export function parseInitRequest(body: unknown): InitRequest {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new WrennError("invalid_argument", "the body of /init must be a JSON object");
  }
  const given = body as Record<string, unknown>;
  const request: Record<string, unknown> = {};
  for (const [field, read] of Object.entries(FIELDS)) {
    const raw = given[field];
    if (raw === undefined || raw === null) continue;
    const value = read(raw);
    if (value === undefined) {
      throw new WrennError("invalid_argument", `${field} of /init has a wrong type or value`, { field });
    }
    request[field] = value;
  }
  return request as InitRequest;
}

/** Whether the value is a usable environment: names without `=`, nothing with a NUL byte. */
export function isEnvironment(value: unknown): value is Record<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const entries = Object.entries(value);
  return entries.length <= LIMITS.envs && entries.every(([name, text]) => isVariable(name, text));
}

function isVariable(name: string, value: unknown): boolean {
  return /^[^=\0]+$/.test(name) && typeof value === "string" && !value.includes("\0");
}

function isText(value: unknown): value is string {
  return (
    typeof value === "string" && value !== "" && value.length <= LIMITS.pathBytes && !value.includes("\0")
  );
}

/** An RFC 3339 time as milliseconds since 1970. */
function parseTime(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(text)) return undefined;
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}

function parseEntropy(text: string): Uint8Array | undefined {
  if (text === "" || text.length > MAX_ENTROPY_BYTES * 2 || !BASE64.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64");
  return bytes.length <= MAX_ENTROPY_BYTES ? bytes : undefined;
}
