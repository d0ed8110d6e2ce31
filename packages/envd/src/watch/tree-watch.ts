// What happens in a directory, or in all of a tree.
import { readdirSync } from "node:fs";
import { WrennError } from "@wrenn/core";
import { EventType } from "@wrenn/rpc/envd";
import { errnoOf } from "../agent/system-error.ts";
import { type Upload, uploadOf } from "../files/temporary-name.ts";
import * as IN from "./inotify-events.ts";

/** The part of inotify(7) that is needed here. */
export interface Notifier {
  add(path: string, mask: number): number;
  remove(watch: number): void;
  read(): Promise<Uint8Array | undefined>;
  close(): void;
}

export interface Change {
  /** Relative to the watched directory, which itself is ".". */
  name: string;
  type: EventType;
}

/**
 * When nothing has come for this long, what came before is settled, in milliseconds: a file that was found by looking
 * is not reported any more, and what was moved away without arriving here has left the tree.
 */
const SETTLE_MS = 20;

/** What waits to be settled when it never gets quiet. */
const MAX_UNSETTLED = 4096;

const MASK =
  IN.IN_CREATE |
  IN.IN_MODIFY |
  IN.IN_ATTRIB |
  IN.IN_DELETE |
  IN.IN_MOVED_FROM |
  IN.IN_MOVED_TO |
  IN.IN_DELETE_SELF |
  IN.IN_MOVE_SELF |
  IN.IN_ONLYDIR;

/**
 * Watches every directory of a tree, those that come into being included: what is in such a one before its watch is on
 * is reported as created. Links are not followed, but for the root. An upload through the agent is reported as what it
 * is to the reader, CREATE and WRITE of its target, not as the temporary file that it was.
 */
export class TreeWatch {
  readonly #root: string;
  readonly #recursive: boolean;
  readonly #notifier: Notifier;
  /** Relative path of each watched directory; "" is the root. */
  readonly #directories = new Map<number, string>();
  /** Paths reported because they were found in a new directory: the kernel may report them as well. */
  readonly #found = new Set<string>();
  /** Watches of directories of which only the first half of a move has been seen, with the move's cookie. */
  readonly #leaving = new Map<number, number>();
  /** Names before the move, and kinds of uploads, by cookie. */
  readonly #formerNames = new Map<number, string>();
  readonly #uploads = new Map<number, Upload>();

  /** Throws what `inotify_add_watch` throws for the root. Takes over the notifier. */
  constructor(root: string, recursive: boolean, notifier: Notifier) {
    this.#root = root;
    this.#recursive = recursive;
    this.#notifier = notifier;
    try {
      this.#directories.set(notifier.add(root, MASK), "");
      if (recursive) this.#addBelow("", undefined, true);
    } catch (error) {
      notifier.close();
      throw error;
    }
  }

  /** What happened since the last call, at least one change; `undefined` once closed. `capacity` when some was missed. */
  async next(): Promise<Change[] | undefined> {
    for (;;) {
      const stopWaiting = this.#settleWhenQuiet();
      const bytes = await this.#notifier.read();
      stopWaiting();
      if (bytes === undefined) return undefined;
      const changes: Change[] = [];
      for (const event of IN.parseInotifyEvents(bytes)) this.#apply(event, changes);
      if (this.#found.size + this.#formerNames.size + this.#uploads.size > MAX_UNSETTLED) this.#settle();
      if (changes.length > 0) return changes;
    }
  }

  close(): void {
    this.#notifier.close();
  }

  #apply(event: IN.InotifyEvent, changes: Change[]): void {
    if (event.mask & IN.IN_Q_OVERFLOW) {
      throw new WrennError("capacity", "more happened than the watch could take; some of it was missed");
    }
    const directory = this.#directories.get(event.watch);
    if (directory === undefined) return;
    if (event.mask & IN.IN_IGNORED) this.#forget(event.watch);
    else if (event.name !== "") this.#applyEntry(event, join(directory, event.name), changes);
    else if (directory === "") {
      const type = typeOfSelf(event.mask);
      if (type !== undefined) changes.push({ name: ".", type });
    }
  }

  #applyEntry(event: IN.InotifyEvent, name: string, changes: Change[]): void {
    const { mask, cookie } = event;
    const upload = uploadOf(event.name);
    if (upload !== undefined) {
      if (mask & IN.IN_MOVED_FROM) this.#uploads.set(cookie, upload);
      return;
    }
    if (mask & IN.IN_ISDIR) this.#applyToDirectories(event, name, changes);
    else if (mask & IN.IN_MOVED_TO && this.#uploads.has(cookie)) {
      if (this.#uploads.get(cookie) === "new") changes.push({ name, type: EventType.CREATE });
      changes.push({ name, type: EventType.WRITE });
    } else if (!(mask & IN.IN_CREATE && this.#found.delete(name))) {
      changes.push({ name, type: typeOf(mask) });
    }
  }

  #applyToDirectories({ mask, cookie }: IN.InotifyEvent, name: string, changes: Change[]): void {
    if (!(mask & IN.IN_CREATE && this.#found.delete(name))) changes.push({ name, type: typeOf(mask) });
    if (!this.#recursive) return;
    if (mask & IN.IN_MOVED_FROM) {
      this.#formerNames.set(cookie, name);
      for (const [watch] of this.#below(name)) this.#leaving.set(watch, cookie);
    }
    if (mask & IN.IN_CREATE) this.#add(name, changes);
    if (mask & IN.IN_MOVED_TO) {
      const isFromHere = this.#rename(cookie, name);
      this.#add(name, isFromHere ? changes : undefined);
    }
  }

  /**
   * Watches a directory and all below it. By now the name may be another directory's: then later events correct it. What
   * is found in one that was not watched before goes to `changes`, if it is to be reported.
   */
  #add(name: string, changes: Change[] | undefined): void {
    try {
      const watch = this.#notifier.add(join(this.#root, name), MASK | IN.IN_DONT_FOLLOW);
      const isNew = !this.#directories.has(watch);
      this.#directories.set(watch, name);
      this.#leaving.delete(watch);
      this.#addBelow(name, changes, isNew);
    } catch (error) {
      // Gone again, or not a directory any more: its parent's events tell. Out of watches: must be known.
      if (errnoOf(error) === "ENOSPC") throw error;
    }
  }

  #addBelow(name: string, changes: Change[] | undefined, isNew: boolean): void {
    for (const entry of readdirSync(join(this.#root, name), { withFileTypes: true })) {
      const child = join(name, entry.name);
      const isToReport = isNew && changes !== undefined && uploadOf(entry.name) === undefined;
      if (isToReport && !this.#found.has(child)) {
        this.#found.add(child);
        changes.push({ name: child, type: EventType.CREATE });
      }
      if (entry.isDirectory()) this.#add(child, changes);
    }
  }

  #forget(watch: number): void {
    this.#directories.delete(watch);
    this.#leaving.delete(watch);
  }

  /** The second half of a move: what was watched under the former name has the new one. Says whether it began here. */
  #rename(cookie: number, name: string): boolean {
    const former = this.#formerNames.get(cookie);
    if (former === undefined) return false;
    this.#formerNames.delete(cookie);
    for (const [watch, path] of this.#below(former)) {
      if (this.#leaving.get(watch) !== cookie) continue;
      this.#leaving.delete(watch);
      this.#directories.set(watch, name + path.slice(former.length));
    }
    return true;
  }

  /** The result stops it. */
  #settleWhenQuiet(): () => void {
    let isOver = false;
    const timer = setTimeout(() => {
      // One look more at what has come: a process that was not running for a while has its timers first.
      setImmediate(() => {
        if (!isOver) this.#settle();
      });
    }, SETTLE_MS);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }

  #settle(): void {
    this.#found.clear();
    this.#uploads.clear();
    this.#formerNames.clear();
    for (const watch of this.#leaving.keys()) {
      this.#notifier.remove(watch);
      this.#directories.delete(watch);
    }
    this.#leaving.clear();
  }

  #below(name: string): [number, string][] {
    return [...this.#directories].filter(([, path]) => path === name || path.startsWith(`${name}/`));
  }
}

function typeOf(mask: number): EventType {
  if (mask & (IN.IN_CREATE | IN.IN_MOVED_TO)) return EventType.CREATE;
  if (mask & IN.IN_DELETE) return EventType.REMOVE;
  if (mask & IN.IN_MOVED_FROM) return EventType.RENAME;
  return mask & IN.IN_MODIFY ? EventType.WRITE : EventType.CHMOD;
}

function typeOfSelf(mask: number): EventType | undefined {
  if (mask & IN.IN_DELETE_SELF) return EventType.REMOVE;
  if (mask & IN.IN_MOVE_SELF) return EventType.RENAME;
  return mask & IN.IN_ATTRIB ? EventType.CHMOD : undefined;
}

function join(directory: string, name: string): string {
  if (directory === "" || name === "") return directory + name;
  return directory.endsWith("/") ? directory + name : `${directory}/${name}`;
}
