// Who exists on this machine.
import { readFileSync, statSync } from "node:fs";
import { WrennError } from "@wrenn/core";
import { type Account, type Group, parseGroup, parsePasswd } from "./account-files.ts";

/** A user with all that is needed to act as it. */
export interface User extends Account {
  /** Supplementary groups, without the primary one. */
  groups: readonly number[];
}

/** Root when the root file system knows no users at all. */
const ROOT: Account = { name: "root", uid: 0, gid: 0, home: "/root" };

/** Reads the account files again only when they have changed. */
export class UserDirectory {
  readonly #passwd: ParsedFile<Map<string, Account>>;
  readonly #group: ParsedFile<Group[]>;

  constructor(paths: { passwd: string; group: string } = { passwd: "/etc/passwd", group: "/etc/group" }) {
    this.#passwd = new ParsedFile(paths.passwd, parsePasswd);
    this.#group = new ParsedFile(paths.group, parseGroup);
  }

  /** The user of that name; `unauthorized` when there is none. */
  get(name: string): User {
    const user = this.find(name);
    if (user === undefined)
      throw new WrennError("unauthorized", `user '${name}' does not exist`, { field: "user" });
    return user;
  }

  find(name: string): User | undefined {
    const account = this.#passwd.value.get(name) ?? (name === ROOT.name ? ROOT : undefined);
    if (account === undefined) return undefined;
    const groups = this.#group.value.filter((g) => g.gid !== account.gid && g.members.includes(name));
    return { ...account, groups: [...new Set(groups.map((g) => g.gid))] };
  }

  /** Name of a uid, or the number itself. */
  userName(uid: number): string {
    for (const account of this.#passwd.value.values()) if (account.uid === uid) return account.name;
    return uid === 0 ? ROOT.name : String(uid);
  }

  /** Name of a gid, or the number itself. */
  groupName(gid: number): string {
    return this.#group.value.find((group) => group.gid === gid)?.name ?? (gid === 0 ? "root" : String(gid));
  }
}

/** A file and what was made of it, as long as the file's identity, size and time are the same. */
class ParsedFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  #stamp = "";
  #value: T;

  constructor(path: string, parse: (text: string) => T) {
    this.#path = path;
    this.#parse = parse;
    this.#value = parse("");
  }

  get value(): T {
    const info = statSync(this.#path, { throwIfNoEntry: false });
    const stamp = info === undefined ? "" : `${info.ino}:${info.size}:${info.mtimeMs}:${info.ctimeMs}`;
    if (stamp !== this.#stamp) {
      this.#value = this.#parse(info === undefined ? "" : readFileSync(this.#path, "utf8"));
      this.#stamp = stamp;
    }
    return this.#value;
  }
}
