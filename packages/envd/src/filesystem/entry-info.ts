// What a client is told about a file.
import { lstatSync, readlinkSync, type Stats, statSync } from "node:fs";
import { basename } from "node:path";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type EntryInfo, EntryInfoSchema, FileType } from "@wrenn/rpc/envd";
import { ATTRIBUTE_PREFIX } from "../files/metadata.ts";
import { attributesOf } from "../platform/xattr.ts";
import type { UserDirectory } from "../users/user-directory.ts";
import { permissions } from "./permissions.ts";

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
    metadata: attributesOf(path, ATTRIBUTE_PREFIX),
    modifiedTime: timestampFromMs(Math.floor(own.mtimeMs)),
    ...(isLink ? { symlinkTarget: readlinkSync(path) } : {}),
  });
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
