// `wrenn logs`: the end of the processes' logs, and what comes after.
import { createReadStream, type FSWatcher, statSync, watch } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename } from "node:path";
import { WrennError } from "@wrenn/core";
import { type DataLayout, logFile } from "./layout.ts";
import { tailOf } from "./rotating-log.ts";

export interface LogsOptions {
  data: DataLayout;
  /** One process; all of them when undefined. */
  process: string | undefined;
  lines: number;
  follow: boolean;
  write: (text: string) => void;
  signal: AbortSignal;
}

export async function showLogs({ data, process, lines, follow, write, signal }: LogsOptions): Promise<void> {
  const known = await logNames(data);
  if (process !== undefined && !known.includes(process)) {
    throw new WrennError(
      "not_found",
      `no log of ${process} in ${data.logs}; there are: ${known.join(", ") || "none"}`,
    );
  }
  const names = process === undefined ? known : [process];
  for (const name of names) {
    const tail = tailOf(logFile(data, name), lines);
    if (names.length > 1) write(`==> ${name} <==\n`);
    if (tail !== "") write(`${tail}\n`);
  }
  if (!follow) return;
  await Promise.all(names.map((name) => followLog(logFile(data, name), write, signal)));
}

/** The processes that have a log. */
async function logNames(data: DataLayout): Promise<string[]> {
  const files = await readdir(data.logs).catch(() => []);
  return files
    .filter((file) => file.endsWith(".log"))
    .map((file) => basename(file, ".log"))
    .sort();
}

/** Writes what is appended to a file, across rotations, until the signal fires. */
async function followLog(path: string, write: (text: string) => void, signal: AbortSignal): Promise<void> {
  let position = identify(path)?.size ?? 0;
  let inode = identify(path)?.inode;
  let reading = Promise.resolve();
  const catchUp = async (): Promise<void> => {
    const now = identify(path);
    if (!now) return;
    if (now.inode !== inode) {
      inode = now.inode;
      position = 0;
    }
    if (now.size <= position) return;
    for await (const chunk of createReadStream(path, { start: position, end: now.size - 1 })) {
      position += chunk.length;
      write(String(chunk));
    }
  };
  const { promise, resolve } = Promise.withResolvers<void>();
  const onChange = (): void => {
    reading = reading.then(catchUp).catch(() => resolve());
  };
  // The directory, not the file: a rotation puts another file in its place.
  const watcher: FSWatcher = watch(path.slice(0, -basename(path).length), (_event, name) => {
    if (name === basename(path)) onChange();
  });
  signal.addEventListener("abort", () => resolve(), { once: true });
  if (signal.aborted) resolve();
  await promise;
  watcher.close();
  await reading;
}

function identify(path: string): { inode: number; size: number } | undefined {
  try {
    const { ino, size } = statSync(path);
    return { inode: ino, size };
  } catch {
    return undefined; // between two files of a rotation
  }
}
