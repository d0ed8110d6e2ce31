// The configuration of a control plane: environment variables, checked once at the start.
import { isAbsolute } from "node:path";

export interface Config {
  databaseUrl: string;
  listen: { host: string; port: number };
  /** A second listener with a certificate, for the same API and the same sandboxes. */
  tls: { host: string; port: number; certFile: string; keyFile: string } | undefined;
  /** `example.com` or `example.com:4443` under which clients reach this service by TLS; sandboxes are below it. */
  domain: string | undefined;
  /** Addresses of host agents: `unix:/path` or `https://host:port`. */
  hosts: string[];
  /** For `https:` hosts: files with our certificate and key and with the authority of both sides. */
  hostTls: { ca: string; cert: string; key: string } | undefined;
  /** File that holds the secret of an operator's key, registered at the start. */
  bootstrapKeyFile: string | undefined;
  /** Whether migrations are applied at the start. */
  migrate: boolean;
  logLevel: string;
  /** Sandboxes that an owner without a limit of their own may run. */
  maxRunning: number;
  reconcileMs: number;
  reportsMs: number;
  /** How long a host may take to describe itself before it counts as unreachable. */
  describeMs: number;
  /** How long a VM that no row knows is left alone. */
  orphanGraceMs: number;
  createTimeoutMs: number;
  /** How long a reader or a sender may stand still before it is cut off. */
  stallMs: number;
  /** What cached layers of template builds may take, all owners together, `MiB`; 0: none is kept. */
  layerCacheMb: number;
  /** Other web origins that may open exec streams with a ticket. */
  allowedOrigins: string[];
  auditDays: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the configuration. Throws an error that names the variable and what it may hold. */
export function readConfig(env: Environment): Config {
  return {
    databaseUrl: required(env, "DATABASE_URL"),
    listen: address("WRENN_LISTEN", env["WRENN_LISTEN"] ?? "127.0.0.1:8000"),
    tls: tls(env),
    domain: domain(env["WRENN_DOMAIN"]),
    hosts: list(required(env, "WRENN_HOSTS")).map(hostAddress),
    hostTls: hostTls(env),
    bootstrapKeyFile: env["WRENN_BOOTSTRAP_KEY_FILE"],
    migrate: flag(env, "WRENN_MIGRATE", true),
    logLevel: env["WRENN_LOG_LEVEL"] ?? "info",
    maxRunning: integer(env, "WRENN_MAX_RUNNING", { default: 64, min: 0, max: 100_000 }),
    reconcileMs: integer(env, "WRENN_RECONCILE_MS", { default: 30_000, min: 100, max: 3_600_000 }),
    reportsMs: integer(env, "WRENN_REPORTS_MS", { default: 2_000, min: 100, max: 60_000 }),
    describeMs: integer(env, "WRENN_DESCRIBE_MS", { default: 5_000, min: 100, max: 600_000 }),
    orphanGraceMs: integer(env, "WRENN_ORPHAN_GRACE_MS", { default: 60_000, min: 0, max: 86_400_000 }),
    createTimeoutMs: integer(env, "WRENN_CREATE_TIMEOUT_MS", {
      default: 180_000,
      min: 1_000,
      max: 3_600_000,
    }),
    stallMs: integer(env, "WRENN_STALL_MS", { default: 60_000, min: 100, max: 3_600_000 }),
    allowedOrigins: list(env["WRENN_ALLOWED_ORIGINS"] ?? "").map(origin),
    layerCacheMb: integer(env, "WRENN_LAYER_CACHE_MB", { default: 8_192, min: 0, max: 2 ** 24 }),
    auditDays: integer(env, "WRENN_AUDIT_DAYS", { default: 30, min: 1, max: 3_650 }),
  };
}

function required(env: Environment, name: string): string {
  const value = env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

function list(value: string): string[] {
  return value
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function address(name: string, value: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(value);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) throw new Error(`${name} must be HOST:PORT, got "${value}"`);
  return { host, port };
}

function hostAddress(value: string): string {
  if (value.startsWith("unix:") && isAbsolute(value.slice(5))) return value;
  if (URL.canParse(value) && new URL(value).protocol === "https:") return new URL(value).origin;
  throw new Error(`WRENN_HOSTS must list unix:/path or https://host:port addresses, got "${value}"`);
}

function origin(value: string): string {
  if (URL.canParse(value) && new URL(value).origin === value) return value;
  throw new Error(`WRENN_ALLOWED_ORIGINS must list origins such as https://console.example, got "${value}"`);
}

function hostTls(env: Environment): Config["hostTls"] {
  const [ca, cert, key] = [env["WRENN_HOST_TLS_CA"], env["WRENN_HOST_TLS_CERT"], env["WRENN_HOST_TLS_KEY"]];
  if (ca && cert && key) return { ca, cert, key };
  if (ca || cert || key) {
    throw new Error(
      "WRENN_HOST_TLS_CA, WRENN_HOST_TLS_CERT and WRENN_HOST_TLS_KEY are set together or not at all",
    );
  }
  return undefined;
}

function tls(env: Environment): Config["tls"] {
  const [listen, certFile, keyFile] = [env["WRENN_TLS_LISTEN"], env["WRENN_TLS_CERT"], env["WRENN_TLS_KEY"]];
  if (listen && certFile && keyFile) return { ...address("WRENN_TLS_LISTEN", listen), certFile, keyFile };
  if (listen || certFile || keyFile)
    throw new Error("WRENN_TLS_LISTEN, WRENN_TLS_CERT and WRENN_TLS_KEY are set together or not at all");
  return undefined;
}

function domain(value: string | undefined): string | undefined {
  if (!value || /^[a-z0-9]([a-z0-9.-]{0,200}[a-z0-9])?(:\d{1,5})?$/i.test(value)) return value || undefined;
  throw new Error(
    `WRENN_DOMAIN must be a name such as sandbox.example or sandbox.example:4443, got "${value}"`,
  );
}

function flag(env: Environment, name: string, fallback: boolean): boolean {
  const value = env[name];
  if (value === undefined) return fallback;
  if (value !== "0" && value !== "1") throw new Error(`${name} must be 0 or 1, got "${value}"`);
  return value === "1";
}

function integer(
  env: Environment,
  name: string,
  bounds: { default: number; min: number; max: number },
): number {
  const text = env[name];
  if (text === undefined) return bounds.default;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= bounds.min && value <= bounds.max) return value;
  throw new Error(`${name} must be an integer from ${bounds.min} to ${bounds.max}, got "${text}"`);
}
