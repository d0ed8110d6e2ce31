// How the database server is set up: small, private to one socket, durable.

/** Arguments `-c name=value` of `postgres`. */
export function serverSettings(socketDirectory: string): string[] {
  const settings: Record<string, string | number> = {
    // One Unix socket in a directory that only its two clients may enter; no TCP.
    listen_addresses: "",
    unix_socket_directories: socketDirectory,
    max_connections: 40,
    // Small: the server starts at about 20 MiB of proportional set size.
    shared_buffers: "16MB",
    work_mem: "2MB",
    maintenance_work_mem: "16MB",
    max_wal_size: "128MB",
    min_wal_size: "32MB",
    max_parallel_workers: 0,
    autovacuum_max_workers: 1,
    jit: "off",
    // Nothing replicates from here.
    wal_level: "minimal",
    max_wal_senders: 0,
    max_logical_replication_workers: 0,
    // The private mount namespace has no /dev/shm that the server may write to.
    dynamic_shared_memory_type: "mmap",
    // The supervisor keeps the log.
    log_destination: "stderr",
    logging_collector: "off",
    timezone: "UTC",
    log_timezone: "UTC",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

/** The role that owns the platform's tables, and its database. */
export const ROLE = "wrenn";
/** The role of the supervisor: root on this machine, and no password. */
export const ADMIN_ROLE = "postgres";

/** pg_hba.conf: root and the server's own user administer, the control plane shows its password. */
export const HBA = `local all ${ADMIN_ROLE} peer map=wrenn\nlocal ${ROLE} ${ROLE} scram-sha-256\n`;
export const IDENT = `wrenn root ${ADMIN_ROLE}\nwrenn postgres ${ADMIN_ROLE}\n`;

/** The URL that the control plane connects with. Holds the password: for the environment, never for a log. */
export function databaseUrl(socketDirectory: string, password: string): string {
  return `postgres://${ROLE}:${password}@localhost/${ROLE}?host=${socketDirectory}`;
}

/** What tells one database from another in such a URL, for people to read: nothing that may be a secret. */
export function publicDatabaseUrl(url: string): string {
  if (!URL.canParse(url)) return "one that is no URL";
  const { protocol, username, host, pathname, searchParams } = new URL(url);
  const [user, socket] = [username && `${username}@`, searchParams.get("host")];
  return `${protocol}//${user}${host}${pathname}${socket === null ? "" : `?host=${socket}`}`;
}

/** What is said at the start of an instance that uses another database than its own; `own` names that if there is one. */
export function externalDatabaseNotice(url: string, own: string | undefined): string {
  const used = `DATABASE_URL is set, so the database is ${publicDatabaseUrl(url)}, not the instance's own`;
  return own === undefined
    ? used
    : `${used}, whose sandboxes and keys (${own}) it does not know; unset it to use that`;
}
