// The database server of an instance: a child process on a private Unix socket.
import { chmod, chown, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { until } from "@wrenn/linux";
import pg from "pg";
import { ManagedProcess } from "../process/managed.ts";
import { confinedCommand } from "../process/unprivileged.ts";
import type { RotatingLog } from "../rotating-log.ts";
import { ensureCluster } from "./cluster.ts";
import { findInstallation } from "./installation.ts";
import { scramVerifier } from "./scram.ts";
import { ADMIN_ROLE, ROLE, serverSettings } from "./settings.ts";
import { endStrayServers } from "./stray.ts";
import { databaseUser } from "./system-user.ts";

export interface DatabaseOptions {
  dataDir: string;
  socketDirectory: string;
  /** The group that may reach the socket: the control plane's. */
  clientGid: number;
  /** What the role `wrenn` shows; 64 hex digits. */
  password: string;
  log: RotatingLog;
  say: (line: string) => void;
}

const READY_MS = 60_000;

/** Starts with {@link start}, which makes the files if there are none; stopping it is right at any time. */
export class DatabaseServer {
  readonly #options: DatabaseOptions;
  #process: ManagedProcess | undefined;

  constructor(options: DatabaseOptions) {
    this.#options = options;
  }

  /** Resolves when the server takes connections and the role `wrenn` has its password. */
  async start(): Promise<void> {
    const { dataDir, socketDirectory, clientGid, password, log, say } = this.#options;
    const installation = await findInstallation(dataDir);
    const user = await databaseUser();
    await ensureCluster({ dataDir, installation, user });
    await mkdir(socketDirectory, { recursive: true });
    await chown(socketDirectory, user.uid, clientGid);
    await chmod(socketDirectory, 0o710);
    const server = new ManagedProcess({
      name: "database",
      log,
      say,
      env: { PATH: "/usr/bin:/bin", LC_ALL: "C.UTF-8" },
      reportsPid: true,
      beforeStart: () => endStrayServers(dataDir),
      command: (statusFd) =>
        confinedCommand(
          {
            ...user,
            write: [dataDir, socketDirectory],
            command: [join(installation.bin, "postgres"), "-D", dataDir, ...serverSettings(socketDirectory)],
          },
          statusFd,
        ),
    });
    this.#process = server;
    await server.start();
    await server.orDeath(ready(dataDir));
    await ensureRole(socketDirectory, password);
  }

  /** Ends the server. It waits for no client, and everything committed is kept. */
  async stop(): Promise<void> {
    await this.#process?.stop({ signal: "SIGINT", patienceMs: 30_000 });
  }

  /** Ends it without tidying up: the next start replays its log. */
  hurry(): void {
    this.#process?.signal("SIGQUIT");
  }
}

/** Resolves when the server says that it takes connections: the eighth line of its pid file. */
async function ready(dataDir: string): Promise<void> {
  const file = join(dataDir, "postmaster.pid");
  const isReady = async (): Promise<boolean> => {
    const lines = await readFile(file, "utf8").catch(() => "");
    return lines.split("\n")[7]?.trim() === "ready";
  };
  if (!(await until(isReady, { timeoutMs: READY_MS }))) {
    throw new WrennError("deadline_exceeded", `the database was not ready after ${READY_MS / 1000} s`);
  }
}

/** Makes role and database, and gives the role the password that the file holds now. */
async function ensureRole(socketDirectory: string, password: string): Promise<void> {
  const client = new pg.Client({ host: socketDirectory, user: ADMIN_ROLE, database: "postgres" });
  await client.connect();
  try {
    const known = await client.query("SELECT 1 FROM pg_roles WHERE rolname = $1", [ROLE]);
    const verb = known.rowCount === 0 ? "CREATE" : "ALTER";
    await client.query(`${verb} ROLE ${ROLE} LOGIN PASSWORD '${scramVerifier(password)}'`);
    const databases = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [ROLE]);
    if (databases.rowCount === 0) await client.query(`CREATE DATABASE ${ROLE} OWNER ${ROLE}`);
  } finally {
    await client.end();
  }
}
