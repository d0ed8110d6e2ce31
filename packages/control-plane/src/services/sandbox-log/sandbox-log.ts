// The log of a sandbox: what was done to it, and what its guest has printed since it was last started.
import type { Db } from "../../db/connect.ts";
import { eventsOf } from "../../db/queries/audit.ts";
import type { SandboxRow } from "../../db/schema.ts";
import type { HostDirectory } from "../../hosts/directory.ts";
import type { Caller } from "../caller.ts";
import { consoleEntries } from "./console-lines.ts";
import { LOG_LEVELS, type LogEntry, type LogLevel } from "./entry.ts";

/** Entries in one answer. */
export const MAX_ENTRIES = 1_000;
const TIMEOUT_MS = 10_000;

/** Events that are failures. */
const FAILURES: ReadonlySet<string> = new Set(["sandbox.error", "sandbox.disk_full", "sandbox.disk_error"]);

export interface LogQuery {
  /** Entries at that time or after it; backward: or before it. Milliseconds since the epoch. */
  cursor?: number | undefined;
  /** `forward`: the oldest ones come first. */
  direction?: "forward" | "backward" | undefined;
  limit?: number | undefined;
  /** The least level. */
  level?: LogLevel | undefined;
  /** Part of the message, as it is spelled. */
  search?: string | undefined;
}

export class SandboxLogService {
  readonly #db: Db;
  readonly #hosts: HostDirectory;

  constructor({ db, hosts }: { db: Db; hosts: HostDirectory }) {
    this.#db = db;
    this.#hosts = hosts;
  }

  /** At most {@link MAX_ENTRIES}. Throws what asking the host throws. */
  async read(caller: Caller, row: SandboxRow, query: LogQuery): Promise<LogEntry[]> {
    const events = await eventsOf(this.#db, row.id, MAX_ENTRIES);
    const entries = [...events.map(platformEntry), ...(await this.#printed(caller, row))];
    return select(entries, query);
  }

  async #printed({ requestId }: Caller, row: SandboxRow): Promise<LogEntry[]> {
    if (row.status !== "running") return [];
    const { text, beganAtUnixMs } = await this.#hosts
      .get(row.host_id)
      .client.call(
        "getConsole",
        { sandboxId: row.id },
        { attempted: `reading the console of sandbox ${row.id}`, requestId, timeoutMs: TIMEOUT_MS },
      );
    return consoleEntries(text, { began: new Date(Number(beganAtUnixMs)) });
  }
}

function platformEntry({ at, action, detail }: Awaited<ReturnType<typeof eventsOf>>[number]): LogEntry {
  const reason = detail["reason"];
  return {
    at,
    level: FAILURES.has(action) ? "error" : "info",
    message: typeof reason === "string" ? `${action}: ${reason}` : action,
    fields: { source: "platform" },
  };
}

/** Exported for its test. */
export function select(entries: readonly LogEntry[], query: LogQuery): LogEntry[] {
  const { cursor, direction = "forward", limit = MAX_ENTRIES, level = "debug", search } = query;
  const least = LOG_LEVELS.indexOf(level);
  const found = entries
    .filter((entry) => LOG_LEVELS.indexOf(entry.level) >= least)
    .filter(({ message }) => search === undefined || message.includes(search))
    .filter(({ at }) => {
      if (cursor === undefined) return true;
      return direction === "forward" ? at.getTime() >= cursor : at.getTime() <= cursor;
    })
    .sort((a, b) => a.at.getTime() - b.at.getTime());
  if (direction === "backward") found.reverse();
  return found.slice(0, Math.min(limit, MAX_ENTRIES));
}
