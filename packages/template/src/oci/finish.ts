// An unpacked image's tree made into that of a guest. The tree is a stranger's: any name in it may be a link to anywhere.
import { constants } from "node:fs";
import { chmod, lchown, lstat, mkdir, open, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { GUEST } from "@wrenn/linux";
import { type Accounts, withGuestUser } from "./guest-user.ts";

/** Directories that a guest mounts something on, or that hold nothing that outlives a boot. */
const EMPTIED = ["dev", "proc", "run", "sys"];
const MAX_ACCOUNTS_BYTES = 1024 * 1024;

/** Who commands are run as when nobody says; as E2B's clients expect it. */
export const GUEST_USER = { name: "user", home: "/home/user" } as const;

/** Changes the tree in place. Throws `invalid_argument` for an image that cannot be a guest's. */
export async function finishImageTree(root: string, envs: Readonly<Record<string, string>>): Promise<void> {
  await assertBash(root);
  for (const dir of EMPTIED) await empty(await realDirectory(root, dir));
  await chmod(await realDirectory(root, "tmp"), 0o1777);
  const etc = await realDirectory(root, "etc");
  await replace(etc, "hostname", "sandbox\n");
  await replace(etc, "hosts", "127.0.0.1 localhost\n127.0.1.1 sandbox\n::1 localhost ip6-localhost\n");
  await replace(etc, "resolv.conf", `nameserver ${GUEST.resolver}\n`);
  // Present and empty: whoever needs an id makes one, and two sandboxes never share it.
  await replace(etc, "machine-id", "");
  await addUser(root, etc);
  const defaults = { envVars: envs, defaultUser: GUEST_USER.name, defaultWorkdir: GUEST_USER.home };
  await replace(await realDirectory(root, "etc/wrenn"), "defaults.json", JSON.stringify(defaults));
  const { PATH } = envs;
  if (PATH === undefined) return;
  // Login shells set their path anew.
  const line = `export PATH='${PATH.replaceAll("'", `'\\''`)}'\n`;
  await replace(await realDirectory(root, "etc/profile.d"), "wrenn-path.sh", line);
}

/** Commands are run by it. */
async function assertBash(root: string): Promise<void> {
  for (const dir of ["bin", "usr/bin", "usr/local/bin"]) {
    if (!(await isRealDirectory(root, dir))) continue;
    const stats = await lstat(join(root, dir, "bash")).catch(ignoreMissing);
    if (stats) return;
  }
  throw new WrennError(
    "invalid_argument",
    "the image has no bash, which commands are run by; use another one",
    {
      field: "fromImage",
    },
  );
}

async function addUser(root: string, etc: string): Promise<void> {
  const before: Accounts = {
    passwd: await readText(etc, "passwd"),
    group: await readText(etc, "group"),
    shadow: await readText(etc, "shadow"),
  };
  const { accounts, id } = withGuestUser(before, GUEST_USER);
  if (id === undefined) return;
  const { gid } = (await lstat(join(etc, "shadow")).catch(ignoreMissing)) ?? { gid: 0 };
  await replace(etc, "passwd", accounts.passwd);
  await replace(etc, "group", accounts.group);
  await replace(etc, "shadow", accounts.shadow, 0o640);
  await lchown(join(etc, "shadow"), 0, gid);
  const home = await realDirectory(root, GUEST_USER.home.slice(1));
  await lchown(home, id, id);
  if (await isRealDirectory(root, "etc/sudoers.d")) {
    const rule = `${GUEST_USER.name} ALL=(ALL:ALL) NOPASSWD: ALL\n`;
    await replace(join(etc, "sudoers.d"), GUEST_USER.name, rule, 0o440);
  }
}

/** The path of a directory of the tree, made where it is missing. Throws when a link or anything else is on the way. */
async function realDirectory(root: string, path: string): Promise<string> {
  let at = root;
  for (const part of path.split("/")) {
    at = join(at, part);
    const stats = await lstat(at).catch(ignoreMissing);
    if (!stats) await mkdir(at, { mode: 0o755 });
    else if (!stats.isDirectory()) throw unusual(path);
  }
  return at;
}

async function isRealDirectory(root: string, path: string): Promise<boolean> {
  let at = root;
  for (const part of path.split("/")) {
    at = join(at, part);
    if (!(await lstat(at).catch(ignoreMissing))?.isDirectory()) return false;
  }
  return true;
}

async function empty(dir: string): Promise<void> {
  for (const name of await readdir(dir)) await rm(join(dir, name), { recursive: true });
}

/** Whatever has the name goes first; a link is not followed. `dir` is a real directory. */
async function replace(dir: string, name: string, content: string, mode = 0o644): Promise<void> {
  const path = join(dir, name);
  await rm(path, { force: true, recursive: true });
  await writeFile(path, content, { flag: "wx", mode });
  await chmod(path, mode);
}

/** A regular file's text; empty where there is none. */
async function readText(dir: string, name: string): Promise<string> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(join(dir, name), flags).catch((reason: NodeJS.ErrnoException) => {
    if (reason.code === "ELOOP") throw unusual(`etc/${name}`);
    return ignoreMissing(reason);
  });
  if (!file) return "";
  try {
    const stats = await file.stat();
    if (!stats.isFile() || stats.size > MAX_ACCOUNTS_BYTES) throw unusual(`etc/${name}`);
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

function unusual(path: string): WrennError {
  return new WrennError("invalid_argument", `the image's /${path} is not what it is in every Linux system`, {
    field: "fromImage",
  });
}

function ignoreMissing(reason: unknown): undefined {
  const { code } = reason as NodeJS.ErrnoException;
  if (code !== "ENOENT" && code !== "ENOTDIR") throw reason;
}
