// Where a machine's id and name are written down.
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { randomHex } from "../platform/random.ts";
import { withOwnName } from "./hosts-file.ts";

/** Larger files are not what they should be, and are left alone. */
const MAX_BYTES = 64 * 1024;

/** Paths below the root file system (another one in tests). */
export class IdentityFiles {
  readonly #root: string;

  constructor(root = "") {
    this.#root = root;
  }

  /** The id in /etc/machine-id (machine-id(5)); `null` where there is none. */
  machineId(): string | null {
    const text = readSmall(`${this.#root}/etc/machine-id`)?.trim() ?? "";
    return /^[0-9a-f]{32}$/.test(text) ? text : null;
  }

  /** Writes /etc/machine-id, and D-Bus's copy where it has one of its own. Throws what the kernel refuses. */
  setMachineId(id: string): void {
    const path = `${this.#root}/etc/machine-id`;
    const copy = `${this.#root}/var/lib/dbus/machine-id`;
    replaceText(path, `${id}\n`, 0o444);
    if (lstatSync(copy, { throwIfNoEntry: false })?.isFile()) replaceText(copy, `${id}\n`, 0o444);
  }

  /** Writes /etc/hostname and the line of /etc/hosts for it. `former`: the name until now. */
  setHostname(hostname: string, former: string): void {
    replaceText(`${this.#root}/etc/hostname`, `${hostname}\n`, 0o644);
    const hosts = `${this.#root}/etc/hosts`;
    const size = statSync(hosts, { throwIfNoEntry: false })?.size ?? 0;
    if (size <= MAX_BYTES) replaceText(hosts, withOwnName(readSmall(hosts) ?? "", hostname, former), 0o644);
  }
}

/**
 * Gives a file this content: not at all if it has it, in place if that has the same length (a full disk does not
 * matter then), else by a new file in its stead.
 */
function replaceText(path: string, text: string, mode: number): void {
  const old = readSmall(path);
  if (old === text) return;
  if (old?.length === text.length) writeFileSync(path, text, { flag: "r+" });
  else replaceFile(path, text, mode);
}

/** Owner and mode stay; a symbolic link is followed. Nothing is left behind by a failure. */
function replaceFile(path: string, text: string, mode: number): void {
  const existing = statSync(path, { throwIfNoEntry: false });
  const target = existing === undefined ? path : realpathSync(path);
  const temporary = `${target}.wrenn-${randomHex(8)}`;
  mkdirSync(dirname(target), { recursive: true });
  try {
    writeFileSync(temporary, text, { flag: "wx" });
    chmodSync(temporary, existing === undefined ? mode : existing.mode & 0o7777);
    if (existing !== undefined) chownSync(temporary, existing.uid, existing.gid);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** The text of a regular file of sensible size. */
function readSmall(path: string): string | undefined {
  const info = statSync(path, { throwIfNoEntry: false });
  if (info?.isFile() !== true || info.size > MAX_BYTES) return undefined;
  return readFileSync(path, "utf8");
}
