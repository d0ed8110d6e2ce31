// The entries of a directory, down to a depth.
import { readdirSync } from "node:fs";
import { WrennError } from "@wrenn/core";
import type { EntryInfo } from "@wrenn/rpc/envd";
import type { UserDirectory } from "../users/user-directory.ts";
import { entryInfo } from "./entry-info.ts";

/** Entries of one answer (some 200 bytes each). */
export const MAX_ENTRIES = 20_000;

/**
 * Lists `depth` levels, a directory's entries right behind it, by name. Symbolic links are listed but not
 * entered. What disappears during the walk, or may not be entered, is left out. `too_large` beyond
 * MAX_ENTRIES; throws what `readdir` throws for `path` itself.
 */
export function listDirectory(path: string, depth: number, users: UserDirectory): EntryInfo[] {
  const entries: EntryInfo[] = [];
  const visit = (directory: string, level: number) => {
    const children = readdirSync(directory, { withFileTypes: true });
    children.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const child of children) {
      const childPath = directory === "/" ? `/${child.name}` : `${directory}/${child.name}`;
      const entry = ifThere(() => entryInfo(childPath, users));
      if (entry === undefined) continue;
      if (entries.length === MAX_ENTRIES) {
        throw new WrennError("too_large", `more than ${MAX_ENTRIES} entries; list a part of it`, {
          field: "depth",
        });
      }
      entries.push(entry);
      if (child.isDirectory() && level < depth) ifThere(() => visit(childPath, level + 1));
    }
  };
  visit(path, 1);
  return entries;
}

function ifThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof WrennError) throw error;
    return undefined;
  }
}
