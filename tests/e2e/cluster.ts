// The database with which the platforms of a run begin: made, started and migrated once, instead of by each.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newToken } from "@wrenn/core";
import { connectDatabase } from "../../packages/control-plane/src/db/connect.ts";
import { migrateUp } from "../../packages/control-plane/src/db/migrator.ts";
import { DatabaseServer } from "../../packages/supervisor/src/database/server.ts";
import { databaseUrl } from "../../packages/supervisor/src/database/settings.ts";
import { dataLayout } from "../../packages/supervisor/src/layout.ts";
import { RotatingLog } from "../../packages/supervisor/src/rotating-log.ts";
import { copyTree, shared } from "../seed.ts";

/** Gives a data directory that no platform has used yet a database of the current schema without a row in it. */
export async function plantCluster(dataDir: string): Promise<void> {
  const cluster = await shared("cluster", makeCluster);
  if (cluster) copyTree(join(cluster, "postgres"), dataLayout(dataDir).database);
}

async function makeCluster(directory: string): Promise<void> {
  // A socket's path holds 107 bytes.
  const socketDirectory = await mkdtemp(join(tmpdir(), "wrenn-pg-"));
  const log = new RotatingLog(join(socketDirectory, "log"));
  const password = newToken();
  const server = new DatabaseServer({
    dataDir: dataLayout(directory).database,
    socketDirectory,
    clientGid: process.getgid?.() ?? 0,
    password,
    log,
    say: () => {},
  });
  try {
    await server.start();
    const db = connectDatabase({ url: databaseUrl(socketDirectory, password), onIdleError: () => {} });
    await migrateUp(db);
    await db.destroy();
  } finally {
    await server.stop();
    log.close();
    await rm(socketDirectory, { recursive: true, force: true });
  }
}
