// How a supervisor in the background tells the command that started it how far it is: lines of JSON on a pipe.
import { createWriteStream } from "node:fs";
import { isRecord } from "./is-record.ts";

/** The variable that holds the descriptor's number. */
export const NOTIFY_FD = "WRENN_NOTIFY_FD";

export type Notice = { say: string } | { ready: string } | { failed: string };

export interface Notifier {
  send(notice: Notice): void;
  /** Nothing more will be said. */
  close(): void;
}

/** The other end of `up --detach`, or undefined when this process was started in another way. */
export function notifierOf(env: NodeJS.ProcessEnv): Notifier | undefined {
  const fd = Number(env[NOTIFY_FD]);
  delete env[NOTIFY_FD];
  if (!Number.isInteger(fd) || fd < 3) return undefined;
  const pipe = createWriteStream("", { fd });
  // The command may have been interrupted: then nobody listens, and that is no reason to stop.
  pipe.on("error", () => {});
  return {
    send: (notice) => {
      if (pipe.writable) pipe.write(`${JSON.stringify(notice)}\n`);
    },
    close: () => pipe.end(),
  };
}

/** Reads one line; undefined for anything that is no notice. */
export function parseNotice(line: string): Notice | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (isRecord(value) && typeof value["say"] === "string") return { say: value["say"] };
    if (isRecord(value) && typeof value["ready"] === "string") return { ready: value["ready"] };
    if (isRecord(value) && typeof value["failed"] === "string") return { failed: value["failed"] };
  } catch {
    // Not ours.
  }
  return undefined;
}
