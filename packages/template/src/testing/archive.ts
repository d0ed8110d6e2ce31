// For tests: archives of any entries, also of those that no packer would write.
import { createHash } from "node:crypto";
import { Header } from "tar";

export interface Entry {
  path: string;
  type?: "File" | "Directory" | "SymbolicLink" | "Link" | "CharacterDevice" | "ExtendedHeader" | undefined;
  content?: string | Buffer;
  linkpath?: string;
  mode?: number;
  uid?: number;
  gid?: number;
}

const BLOCK = 512;

/** A tar archive, not packed. */
export function archive(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap((entry) => {
    const { type = "File", path, linkpath = "", uid = 0, gid = 0 } = entry;
    const content = Buffer.from(entry.content ?? "");
    const mode = entry.mode ?? (type === "Directory" ? 0o755 : 0o644);
    const header = new Header({
      path,
      mode,
      uid,
      gid,
      size: content.length,
      type,
      linkpath,
      mtime: new Date(0),
    });
    const block = Buffer.alloc(BLOCK);
    header.encode(block, 0);
    const padding = Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK);
    return [block, content, padding];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
