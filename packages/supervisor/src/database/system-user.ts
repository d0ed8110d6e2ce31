// The user that the database server runs as: it refuses to run as root.
import { readFile } from "node:fs/promises";
import { WrennError } from "@wrenn/core";

export interface SystemUser {
  uid: number;
  gid: number;
}

/** The user `postgres` that Debian's package makes. Throws `unavailable` when there is none. */
export async function databaseUser(): Promise<SystemUser> {
  const user = parsePasswd(await readFile("/etc/passwd", "utf8"), "postgres");
  if (!user) throw new WrennError("unavailable", "there is no user postgres: apt-get install postgresql");
  return user;
}

/** Finds a user in the text of /etc/passwd, passwd(5). */
export function parsePasswd(text: string, name: string): SystemUser | undefined {
  for (const line of text.split("\n")) {
    const [login, , uid, gid] = line.split(":");
    if (login === name && uid && gid) return { uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}
