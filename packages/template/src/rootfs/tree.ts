// Turning a freshly installed tree into a template's: without traces of this build and this host, with the recipe's user.
import {
  chmod,
  chown,
  cp,
  lchown,
  lstat,
  lutimes,
  mkdir,
  readdir,
  readFile,
  rm,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { GUEST } from "@wrenn/linux";
import { walk } from "../cache/walk.ts";
import { publicSources } from "../debian/sources.ts";
import type { Recipe, RecipeInterpreter, RecipeUser } from "../recipe/recipe.ts";
import { USER_ID, withFixedPasswordDays, withUser } from "./accounts.ts";

/** Directories whose content goes, while they stay. */
const EMPTIED = ["dev", "run", "tmp", "var/tmp", "var/cache/apt", "var/cache/ldconfig", "var/lib/apt/lists"];

/** Files that tell of the build or that every machine must have of its own. */
const REMOVED = [
  /^etc\/(?:passwd|group|shadow|gshadow|subuid|subgid)-$/,
  /^etc\/\.pwd\.lock$/,
  /^etc\/apt\/(?:apt\.conf\.d\/99mmdebstrap|sources\.list|sources\.list\.d\/.*)$/,
  /^etc\/ssh\/ssh_host_.*_key(?:\.pub)?$/,
  /^var\/cache\/debconf\/.*-old$/,
  /^var\/lib\/dbus\/machine-id$/,
  /^var\/lib\/dpkg\/(?:.*-old|lock|lock-frontend|triggers\/Lock)$/,
  /^var\/lib\/systemd\/random-seed$/,
  /^var\/log\/.*$/,
];

/** Changes a tree in place. `root` is the path of its root directory. */
export async function finishTree(root: string, recipe: Recipe): Promise<void> {
  for (const dir of EMPTIED) await emptyDirectory(join(root, dir));
  for (const { path, isDirectory } of await walk(root)) {
    if (!isDirectory && REMOVED.some((pattern) => pattern.test(path))) await rm(join(root, path));
  }
  await writeNew(root, "etc/hostname", "sandbox\n");
  await writeNew(root, "etc/hosts", "127.0.0.1 localhost\n127.0.1.1 sandbox\n::1 localhost ip6-localhost\n");
  await writeNew(root, "etc/resolv.conf", `nameserver ${GUEST.resolver}\n`);
  // Present and empty: whoever needs an id makes one, and two sandboxes never share it.
  await writeNew(root, "etc/machine-id", "");
  await writeNew(root, "etc/apt/sources.list", `${publicSources(recipe.suite).join("\n")}\n`);
  if (recipe.code_interpreter) await addInterpreter(root, recipe.code_interpreter);
  await finishAccounts(root, recipe.user);
}

/** The agent looks for the file, and then runs code; see packages/envd/src/interpreter/settings.ts. */
async function addInterpreter(root: string, interpreter: RecipeInterpreter): Promise<void> {
  await mkdir(join(root, "etc/wrenn"), { recursive: true, mode: 0o755 });
  await writeNew(root, "etc/wrenn/code-interpreter.json", `${JSON.stringify(interpreter)}\n`);
  // Debian's pip refuses to install beside its packages. What code installs is the sandbox's own matter.
  await writeNew(root, "etc/pip.conf", "[global]\nbreak-system-packages = true\n");
}

/**
 * Sets what the clock of the build has left: times from `since` on become `epoch`, older ones came with the packages and
 * stay, because the byte code of Python is valid only for the very time of its source. Access times follow.
 *
 * @param since milliseconds
 * @param epoch seconds
 */
export async function fixTimes(root: string, since: number, epoch: number): Promise<void> {
  const fix = async (path: string): Promise<void> => {
    const { mtimeMs } = await lstat(path);
    const time = mtimeMs >= since ? epoch : Math.floor(mtimeMs / 1000);
    await lutimes(path, time, time);
  };
  for (const { path } of await walk(root)) await fix(join(root, path));
  await fix(root);
}

async function emptyDirectory(path: string): Promise<void> {
  const stats = await lstat(path).catch(ignoreMissing);
  if (!stats?.isDirectory()) return;
  for (const name of await readdir(path)) await rm(join(path, name), { recursive: true });
}

/** Replaces whatever has the name; a symbolic link that a package left there is not followed out of the tree. */
async function writeNew(root: string, path: string, content: string, mode = 0o644): Promise<void> {
  await rm(join(root, path), { force: true });
  await writeFile(join(root, path), content, { flag: "wx" });
  await chmod(join(root, path), mode);
}

async function finishAccounts(root: string, user: RecipeUser | null): Promise<void> {
  const read = (name: string) => readFile(join(root, "etc", name), "utf8");
  const fixed = {
    passwd: await read("passwd"),
    group: await read("group"),
    shadow: withFixedPasswordDays(await read("shadow")),
    gshadow: await read("gshadow"),
  };
  const accounts = user ? withUser(fixed, user) : fixed;
  const { gid: shadowGid } = await lstat(join(root, "etc/shadow"));
  for (const [name, content] of Object.entries(accounts)) {
    const secret = name.endsWith("shadow");
    await writeNew(root, `etc/${name}`, content, secret ? 0o640 : 0o644);
    if (secret) await chown(join(root, "etc", name), 0, shadowGid);
  }
  if (user) await makeHome(root, user);
}

async function makeHome(root: string, user: RecipeUser): Promise<void> {
  const home = join(root, user.home);
  if (await lstat(home).catch(ignoreMissing)) {
    throw new WrennError("invalid_argument", `recipe.user.home: the packages bring a ${user.home}`, {
      field: "recipe.user.home",
    });
  }
  await mkdir(home, { recursive: true, mode: 0o755 });
  await cp(join(root, "etc/skel"), home, { recursive: true, verbatimSymlinks: true });
  for (const path of await readdir(home, { recursive: true }))
    await lchown(join(home, path), USER_ID, USER_ID);
  await chown(home, USER_ID, USER_ID);
  if (user.sudo === "passwordless") {
    await writeNew(root, `etc/sudoers.d/${user.name}`, `${user.name} ALL=(ALL:ALL) NOPASSWD: ALL\n`, 0o440);
  }
}

function ignoreMissing(reason: unknown): undefined {
  if ((reason as NodeJS.ErrnoException).code !== "ENOENT") throw reason;
}
