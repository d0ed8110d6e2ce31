// Logs of sandboxes, for E2B's clients.
import type { E2bLogEntry, E2bLogsQuery, E2bLogsV1Query } from "@wrenn/api";
import { handler } from "../http/handler.ts";
import type { LogEntry } from "../services/sandbox-log/entry.ts";
import type { Services } from "../services/services.ts";
import { shown } from "./shown.ts";

export function logHandlers({ logs }: Services) {
  return {
    e2bSandboxLogs: handler<undefined, E2bLogsQuery>(async ({ caller, sandbox, query }) => ({
      body: { logs: (await logs.read(caller, shown(sandbox), query)).map(present) },
    })),
    e2bSandboxLogsV1: handler<undefined, E2bLogsV1Query>(async ({ caller, sandbox, query }) => {
      const { start: cursor, limit } = query;
      const logEntries = (await logs.read(caller, shown(sandbox), { cursor, limit })).map(present);
      const lines = logEntries.map(({ timestamp, message: line }) => ({ timestamp, line }));
      return { body: { logs: lines, logEntries } };
    }),
  };
}

function present({ at, ...entry }: LogEntry): E2bLogEntry {
  return { timestamp: at.toISOString(), ...entry };
}
