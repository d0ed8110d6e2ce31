// /etc/passwd and /etc/group, read without the C library: the root file system may have another one, or none.

export interface Account {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

export interface Group {
  name: string;
  gid: number;
  members: readonly string[];
}

/** The accounts of an `/etc/passwd` (passwd(5)), first of a name wins. Lines that are not accounts are skipped. */
export function parsePasswd(text: string): Map<string, Account> {
  const accounts = new Map<string, Account>();
  for (const line of text.split("\n")) {
    const [name, , uid, gid, , home] = line.split(":");
    if (!name || accounts.has(name)) continue;
    const ids = [parseId(uid), parseId(gid)] as const;
    if (ids[0] === undefined || ids[1] === undefined) continue;
    accounts.set(name, { name, uid: ids[0], gid: ids[1], home: home?.startsWith("/") ? home : "/" });
  }
  return accounts;
}

/** The groups of an `/etc/group` (group(5)). Lines that are not groups are skipped. */
export function parseGroup(text: string): Group[] {
  const groups: Group[] = [];
  for (const line of text.split("\n")) {
    const [name, , gid, members = ""] = line.split(":");
    const id = parseId(gid);
    if (!name || id === undefined) continue;
    groups.push({ name, gid: id, members: members.split(",").filter((member) => member !== "") });
  }
  return groups;
}

/** A uid or gid: decimal, 32 bits; the last value means "none" to the kernel. */
function parseId(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id < 0xffff_ffff ? id : undefined;
}
