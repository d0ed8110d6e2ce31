// Who this host is to the control plane: what is in its data directory, and not where or as what it runs today.
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { replaceFile } from "@wrenn/linux";

/** Also what a former version made of any host name. */
const ACCEPTED = /^[^\p{Cc}\s]{1,300}$/u;

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
  const isUsed = (await readdir(join(dataDir, "sandboxes")).catch(() => [])).length > 0;
  const id = isUsed ? `${hostname()}-${block}` : newHostId(hostname());
  await replaceFile(path, `${id}\n`);
  return id;
}

/** The host name is for whoever reads it; what tells hosts apart is the rest. */
export function newHostId(hostName: string): string {
  const name = hostName.replaceAll(/[^A-Za-z0-9.-]+/g, "-").replaceAll(/^[.-]+|[.-]+$/g, "");
  return `${name.slice(0, 64) || "host"}-${randomBytes(4).toString("hex")}`;
}

function accepted(id: string, path: string): string {
  if (ACCEPTED.test(id)) return id;
  throw new WrennError(
    "internal",
    `${path} must hold one word, this host's id: that by which the control plane knows it`,
  );
}
