// POST /quiesce: the guest is about to be frozen.
import { WrennError } from "@wrenn/core";
import type { Connections } from "../platform/server.ts";
import { syncFileSystems } from "../platform/sync.ts";
import type { Attachments } from "../streams/attachments.ts";
import type { OpenStreams } from "../streams/open-streams.ts";
import { readJson } from "./read-json.ts";

/** How long the last words may take to get into their sockets, milliseconds: readers that do not read get none. */
const FLUSH_MS = 200;

/** For sync(2) unless the caller says otherwise; the most that it may say. Milliseconds. */
const SYNC_MS = 2000;
const MAX_SYNC_MS = 30_000;

export interface QuiesceOptions {
  attachments: Attachments;
  connections: Connections;
  streams: OpenStreams;
}

interface QuiesceRequest {
  /**
   * `end`: the guest is to be stopped; all streams are ended with an error that says so, and all connections closed.
   * `keep`: the guest goes on at once, and a copy of it elsewhere (which will be told by `/init`).
   */
  streams: "end" | "keep";
  /** The most that flushing the file systems may take. */
  syncMs: number;
}

/**
 * Makes the guest ready to be frozen. From here on no process ends because its caller has gone, until `/unquiesce`
 * (the same guest goes on), `/init` with `dropConnections` (another time or another copy), or 30 s of guest time.
 * Answers 204; `wrenn-synced: false` when the file systems were not flushed in time, which goes on then.
 */
export async function handleQuiesce(request: Request, options: QuiesceOptions): Promise<Response> {
  const { attachments, connections } = options;
  const { streams, syncMs } = parseRequest(await readJson(request, "/quiesce"));
  attachments.hold();
  if (streams === "end") {
    attachments.detachAll(
      new WrennError("unavailable", "the sandbox is pausing; its processes go on when it is resumed"),
    );
  }
  const [synced] = await Promise.all([
    syncFileSystems(syncMs),
    streams === "end" ? options.streams.drained(FLUSH_MS) : undefined,
  ]);
  if (streams === "end") connections.closeOthers(request, "finish");
  return new Response(null, {
    status: 204,
    headers: { "wrenn-synced": String(synced), ...(streams === "end" ? { connection: "close" } : {}) },
  });
}

function parseRequest(body: unknown): QuiesceRequest {
  const { streams = "end", syncMs = SYNC_MS } = (body ?? {}) as Record<string, unknown>;
  if (streams !== "end" && streams !== "keep") throw wrong("streams", "must be 'end' or 'keep'");
  if (typeof syncMs !== "number" || !(syncMs >= 0 && syncMs <= MAX_SYNC_MS)) {
    throw wrong("syncMs", `must be 0 to ${MAX_SYNC_MS}`);
  }
  return { streams, syncMs };
}

function wrong(field: string, why: string): WrennError {
  return new WrennError("invalid_argument", `${field} of /quiesce ${why}`, { field });
}
