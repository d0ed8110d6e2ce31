// Who this host is to the control plane: what is in its data directory, and not where or as what it runs today.
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { replaceFile } from "@wrenn/linux";

const ACCEPTED = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/**
 * The id of a data directory, given once and kept in `host-id` there: rows of sandboxes name it, so neither another host name
 * nor another block may change it. A directory of an earlier version that holds sandboxes has the id that it had: host name
 * and block. Throws `internal` when the file holds anything else.
 */
export async function hostIdOf(dataDir: string, block: number): Promise<string> {
  const path = join(dataDir, "host-id");
  const kept = await readFile(path, "utf8").catch((reason: NodeJS.ErrnoException) => {
    if (reason.code !== "ENOENT") throw reason;
    return undefined;
  });
  if (kept !== undefined) return accepted(kept.trim(), path);
  const name = hostname().replaceAll(/[^A-Za-z0-9.-]/g, "-") || "host";
  const isUsed = (await readdir(join(dataDir, "sandboxes")).catch(() => [])).length > 0;
  const id = isUsed ? `${hostname()}-${block}` : `${name.slice(0, 64)}-${randomBytes(4).toString("hex")}`;
  await replaceFile(path, `${accepted(id, path)}\n`);
  return id;
}

function accepted(id: string, path: string): string {
  if (ACCEPTED.test(id)) return id;
  throw new WrennError(
    "internal",
    `${path} must hold this host's id, 1 to 128 letters, digits, dots and dashes: that by which the control plane knows it`,
  );
}
