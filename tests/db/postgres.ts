// A real PostgreSQL for tests: a child process on a private Unix socket, gone when the test is.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdtemp, readdir, readFile, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { copyTree } from "../seed.ts";
import { whenToldToEnd } from "../told-to-end.ts";

export interface PostgresServer {
  /** URL of the database `postgres` on this server. */
  url: string;
  /** The same with another database's name. */
  databaseUrl(name: string): string;
  /** Stops the server and removes everything it wrote. */
  stop(): Promise<void>;
  /** Stops the server in order and leaves its files at a path where nothing is. */
  keep(path: string): Promise<void>;
}

/** As Linux distributions mount it; see tmpfs(5) and statfs(2). */
const MEMORY = "/dev/shm";
const TMPFS_MAGIC = 0x01021994;
/** What must be free there: a server begins with 47 MiB, and each database in it adds its own, `bytes`. */
const ROOM = 1 << 30;

interface Account {
  uid: number;
  gid: number;
}

/**
 * Starts a server without TCP and without durability (tests lose nothing by it). PostgreSQL refuses to run
 * as root, so root runs it as the user `postgres`, which Debian's package makes. The files are new ones, or a copy of
 * those of a server that was stopped with {@link PostgresServer.keep}.
 */
export async function startPostgres(kept?: string): Promise<PostgresServer> {
  const bin = await newestBinaries();
  const account = process.getuid?.() === 0 ? await postgresAccount() : undefined;
  const dir = await mkdtemp(join(await quickDirectory(), "wrenn-pg-"));
  await chmod(dir, 0o700);
  if (account) await chown(dir, account.uid, account.gid);
  try {
    const data = join(dir, "data");
    const initdb = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"];
    if (kept === undefined) await finished(launch(join(bin, "initdb"), initdb, account));
    else copyTree(kept, data);
    const server = launch(join(bin, "postgres"), serverArguments(data, dir), account);
    const forget = whenToldToEnd(() => stop(server, dir));
    const url = (name: string) => `postgres://postgres@localhost/${name}?host=${encodeURIComponent(dir)}`;
    await ready(server, url("postgres"));
    return {
      url: url("postgres"),
      databaseUrl: url,
      stop: async () => {
        forget();
        await stop(server, dir);
      },
      keep: async (path) => {
        forget();
        await ended(server, "SIGINT");
        copyTree(data, path);
        await rm(dir, { recursive: true, force: true });
      },
    };
  } catch (reason) {
    await rm(dir, { recursive: true, force: true });
    throw reason;
  }
}

/** Memory where there is room for it: some disks take a millisecond to make one of the 1,300 files of a server. */
async function quickDirectory(): Promise<string> {
  const found = await statfs(MEMORY).catch(() => undefined);
  const hasRoom = found?.type === TMPFS_MAGIC && found.bavail * found.bsize >= ROOM;
  return hasRoom ? MEMORY : tmpdir();
}

function serverArguments(data: string, dir: string): string[] {
  const settings = {
    listen_addresses: "",
    unix_socket_directories: dir,
    unix_socket_permissions: "0700",
    fsync: "off",
    synchronous_commit: "off",
    full_page_writes: "off",
    shared_buffers: "32MB",
    max_connections: "100",
  };
  return ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
}

/** Debian keeps each major version in its own directory; the newest one from 15 on. */
async function newestBinaries(): Promise<string> {
  const root = "/usr/lib/postgresql";
  const versions = (await readdir(root)).map(Number).filter((version) => version >= 15);
  if (versions.length === 0)
    throw new Error(`no PostgreSQL 15 or later in ${root}; install Debian's "postgresql"`);
  return join(root, String(Math.max(...versions)), "bin");
}

async function postgresAccount(): Promise<Account> {
  const line = (await readFile("/etc/passwd", "utf8")).split("\n").find((l) => l.startsWith("postgres:"));
  const [, , uid, gid] = line?.split(":") ?? [];
  if (uid === undefined || gid === undefined)
    throw new Error("there is no user postgres; install Debian's postgresql");
  return { uid: Number(uid), gid: Number(gid) };
}

function launch(command: string, args: string[], account: Account | undefined): ChildProcess {
  const argv = account
    ? [
        `--reuid=${account.uid}`,
        `--regid=${account.gid}`,
        "--clear-groups",
        "--pdeathsig=TERM",
        command,
        ...args,
      ]
    : [command, ...args];
  const [program = command, ...rest] = account ? ["setpriv", ...argv] : argv;
  return spawn(program, rest, {
    cwd: "/",
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: "/usr/bin:/bin" },
  });
}

async function finished(child: ChildProcess): Promise<void> {
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => (said += chunk));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${child.spawnargs.join(" ")} ended with ${code}: ${said}`);
}

/** Waits for the server's own word that it accepts connections. */
async function ready(server: ChildProcess, url: string): Promise<void> {
  let said = "";
  await new Promise<void>((resolve, reject) => {
    server.once("exit", (code) => reject(new Error(`postgres ended with ${code}: ${said}`)));
    server.stderr?.on("data", (chunk: Buffer) => {
      said = (said + chunk).slice(-4096);
      if (said.includes("ready to accept connections")) resolve();
    });
  });
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.end();
}

async function stop(server: ChildProcess, dir: string): Promise<void> {
  // SIGQUIT is PostgreSQL's immediate shutdown: nothing here is worth a checkpoint.
  await ended(server, "SIGQUIT");
  await rm(dir, { recursive: true, force: true });
}

async function ended(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const gone = once(server, "exit");
  server.kill(signal);
  await gone;
}
