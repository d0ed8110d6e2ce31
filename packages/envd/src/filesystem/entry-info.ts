// What a client is told about a file.
import { lstatSync, readlinkSync, type Stats, statSync } from "node:fs";
import { basename } from "node:path";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type EntryInfo, EntryInfoSchema, FileType } from "@wrenn/rpc/envd";
import type { UserDirectory } from "../users/user-directory.ts";

/** File type bits of `st_mode` (inode(7)) and the letters of ls(1). */
const TYPE_MASK = 0o170000;
const TYPE_LETTERS = new Map([
  [0o140000, "s"],
  [0o120000, "l"],
  [0o100000, "-"],
  [0o060000, "b"],
  [0o040000, "d"],
  [0o020000, "c"],
  [0o010000, "p"],
]);

/**
 * Describes a path without following it; throws what `lstat` throws. A symbolic link has the type and the
 * mode of what it leads to, as clients expect, and `symlink_target`; one that leads nowhere stays a link.
 */
export function entryInfo(path: string, users: UserDirectory): EntryInfo {
  const own = lstatSync(path);
  const isLink = own.isSymbolicLink();
  const shown = (isLink && statIfThere(path)) || own;
  return create(EntryInfoSchema, {
    name: basename(path) || "/",
    type: fileType(shown),
    path,
    size: BigInt(own.size),
    mode: shown.mode & 0o777,
    permissions: permissions(shown.mode),
    owner: users.userName(own.uid),
    group: users.groupName(own.gid),
    modifiedTime: timestampFromMs(Math.floor(own.mtimeMs)),
    ...(isLink ? { symlinkTarget: readlinkSync(path) } : {}),
  });
}

/** The mode as `ls -l` prints it. */
export function permissions(mode: number): string {
  const bits = [...(mode & 0o777).toString(2).padStart(9, "0")].map((bit, i) =>
    bit === "1" ? "rwx"[i % 3] : "-",
  );
  const special: [number, number, string][] = [
    [0o4000, 2, "s"],
    [0o2000, 5, "s"],
    [0o1000, 8, "t"],
  ];
  for (const [flag, at, letter] of special) {
    if (mode & flag) bits[at] = bits[at] === "x" ? letter : letter.toUpperCase();
  }
  return (TYPE_LETTERS.get(mode & TYPE_MASK) ?? "?") + bits.join("");
}

function fileType(info: Stats): FileType {
  if (info.isFile()) return FileType.FILE;
  if (info.isDirectory()) return FileType.DIRECTORY;
  return info.isSymbolicLink() ? FileType.SYMLINK : FileType.UNSPECIFIED;
}

/** The target of a link; nothing when it leads nowhere (ENOENT, ELOOP, ...). */
function statIfThere(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
