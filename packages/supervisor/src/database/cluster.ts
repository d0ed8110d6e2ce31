// Makes the database's files, once per data directory.
import { existsSync } from "node:fs";
import { chown, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "@wrenn/linux";
import { confinedCommand } from "../process/unprivileged.ts";
import type { Installation } from "./installation.ts";
import { ADMIN_ROLE, HBA, IDENT } from "./settings.ts";
import type { SystemUser } from "./system-user.ts";

export interface ClusterOptions {
  dataDir: string;
  installation: Installation;
  user: SystemUser;
}

/**
 * Runs initdb unless there is a cluster already. It is made beside its place and renamed when complete, so
 * that a start which was killed half-way leaves nothing that looks like a cluster.
 */
export async function ensureCluster({ dataDir, installation, user }: ClusterOptions): Promise<void> {
  if (existsSync(join(dataDir, "PG_VERSION"))) return;
  const unfinished = `${dataDir}.new`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  await chown(unfinished, user.uid, user.gid);
  await run(
    confinedCommand({
      ...user,
      write: [unfinished],
      command: [
        ...[join(installation.bin, "initdb"), "--pgdata", unfinished, "--username", ADMIN_ROLE],
        ...["--auth", "peer", "--encoding", "UTF8", "--locale", "C.UTF-8", "--data-checksums"],
        "--no-instructions",
      ],
    }),
    { timeoutMs: 120_000 },
  );
  await writeFile(join(unfinished, "pg_hba.conf"), HBA);
  await writeFile(join(unfinished, "pg_ident.conf"), IDENT);
  await rename(unfinished, dataDir);
}
