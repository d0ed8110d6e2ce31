// Servers that a killed supervisor left behind on this data directory.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { identitiesOf, kill, killAll, type ProcessIdentity, waitForExit } from "@wrenn/linux";

/** How long a server that was told to stop at once may take. */
const PATIENCE_MS = 10_000;

/**
 * Ends every database process that works in `dataDir`, without losing anything committed. Two servers on one
 * directory would destroy it, and PostgreSQL's own check does not see into another namespace. A process is
 * known by its program and its working directory, which a server never leaves: a process id in a file may be
 * somebody else's by now.
 */
export async function endStrayServers(dataDir: string): Promise<void> {
  const strays = serversWorkingIn(dataDir);
  for (const stray of strays) kill(stray, "SIGQUIT");
  await Promise.all(strays.map((stray) => waitForExit(stray, PATIENCE_MS)));
  await killAll(serversWorkingIn(dataDir));
  // Their note goes as well: the process id in it may be another's by now, and no server would start.
  await rm(join(dataDir, "postmaster.pid"), { force: true });
}

/** The servers whose working directory is this very directory, in whatever mount namespace they are. */
function serversWorkingIn(directory: string): ProcessIdentity[] {
  const wanted = fileIdentity(directory);
  if (wanted === undefined) return [];
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return identitiesOf(pids.filter((pid) => isServer(pid) && fileIdentity(`/proc/${pid}/cwd`) === wanted));
}

function isServer(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, "latin1") === "postgres\n";
  } catch {
    return false; // it has ended
  }
}

function fileIdentity(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return undefined; // gone, or a kernel thread
  }
}
