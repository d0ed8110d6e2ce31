// The serial console of a guest: a file that the VMM appends to, kept bounded, shown in errors.
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/** How much of a console is kept while its machine runs, `bytes`. */
export const CONSOLE_MAX_BYTES: number = 1024 * 1024;
const TAIL_BYTES = 4096;

/** The end of the console as text; control characters other than newline and tab are dropped. Empty when there is none. */
export async function readConsoleTail(path: string, maxBytes: number = TAIL_BYTES): Promise<string> {
  await using file = await openConsole(path, constants.O_RDONLY);
  if (!file) return "";
  const { size } = await file.stat();
  const length = Math.min(size, maxBytes);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
  return printable(buffer.subarray(0, bytesRead).toString("utf8"));
}

/**
 * Empties a console that has outgrown its bound. The VMM has it open in append mode, so its next write lands at the
 * new end. Returns whether it did.
 */
export async function trimConsole(path: string, maxBytes: number = CONSOLE_MAX_BYTES): Promise<boolean> {
  await using file = await openConsole(path, constants.O_RDWR);
  if (!file || (await file.stat()).size <= maxBytes) return false;
  await file.truncate(0);
  return true;
}

/**
 * The VMM may write its directory, so after a break-out the name could be a link to any file or a pipe that blocks:
 * links are not followed, and what is not a regular file counts as absent.
 */
async function openConsole(path: string, mode: number): Promise<FileHandle | undefined> {
  try {
    const file = await open(path, mode | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if ((await file.stat()).isFile()) return file;
    await file.close();
    return undefined;
  } catch (reason) {
    const code = (reason as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ELOOP" || code === "ENXIO") return undefined;
    throw reason;
  }
}

/** Text that is safe to put into a log line, an error or a terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed here
  return text.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, "").replace(/[^\n\t\x20-\x7e\u00a0-\uffff]/g, "");
}
