// Where an instance keeps things: what outlives a restart is in its data directory, the rest under /run.
import { join } from "node:path";

export const DEFAULT_DATA_DIR = "/var/lib/wrenn";
export const DEFAULT_CACHE_DIR = "/var/cache/wrenn";
export const DEFAULT_LISTEN = "127.0.0.1:8000";

/** The top of the source tree, where `./wrenn` stands. */
export const SOURCE_ROOT: string = join(import.meta.dirname, "../../..");

export interface DataLayout {
  dir: string;
  /** What a running instance says about itself; see instance.ts. */
  instance: string;
  /** The first API key, mode 0600. */
  apiKey: string;
  /** The password of the database role `wrenn`, mode 0600. */
  databasePassword: string;
  /** PostgreSQL's data directory, owned by its user. */
  database: string;
  logs: string;
}

export function dataLayout(dir: string): DataLayout {
  return {
    dir,
    instance: join(dir, "instance.json"),
    apiKey: join(dir, "api-key"),
    databasePassword: join(dir, "postgres-password"),
    database: join(dir, "postgres"),
    logs: join(dir, "log"),
  };
}

/** The log of one of the instance's processes. */
export function logFile(data: DataLayout, name: string): string {
  return join(data.logs, `${name}.log`);
}

export interface RuntimeLayout {
  dir: string;
  /** The host agent's RPC socket. */
  agentSocket: string;
  /** A copy of the first API key that the control plane's user can read; the original is in a private directory. */
  apiKey: string;
  /** Directory of the database's socket. Short, because a socket path holds 107 bytes at most. */
  databaseSocket: string;
}

/** What the instance on block `block` (0..255) keeps under /run. */
export function runtimeLayout(block: number): RuntimeLayout {
  const dir = `/run/wrenn/${block}`;
  return {
    dir,
    agentSocket: join(dir, "agent.sock"),
    apiKey: join(dir, "api-key"),
    databaseSocket: join(dir, "pg"),
  };
}
