// A process whose memory is loaded by somebody else: started by the tests, told by messages what to touch. Each of its
// threads touches what it is given, all at once, and compares every byte with a file.
import { once } from "node:events";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import {
  areEqual,
  close,
  connectTo,
  divide,
  giveBack,
  holds,
  makeBlocking,
  makeRegion,
  makeUserfaultfd,
  mapFile,
  send,
  unmap,
  write,
} from "./machine-calls.ts";

const PAGE_BYTES = 4096;

/** What is done with a page, and what has to be found. */
export const TOUCH = {
  /** Read: what the file has. */
  saved: 0,
  /** Read: zeros. */
  zero: 1,
  /** Read while it is being given back: one or the other. */
  either: 2,
  /** Written at its first bytes: behind them, what the file has. */
  write: 3,
  /** Written before: what was written, and behind that what the file has. */
  written: 4,
} as const;

export type Order =
  | { kind: "map"; expected: string; sizes: readonly number[]; reportRemovals: boolean }
  | { kind: "connect"; socket: string; uid?: number }
  /** Sends the list of regions, or another text, with descriptors. */
  | { kind: "send"; text?: string; descriptors: readonly ("uffd" | "file" | "own")[]; parts?: number }
  /** For each thread a list of pages and what to do: page × 8 + one of {@link TOUCH}. */
  | { kind: "touch"; lists: readonly Uint32Array[] }
  | { kind: "remove"; start: number; count: number }
  /** Makes pages a mapping of their own. */
  | { kind: "divide"; start: number; count: number }
  | { kind: "drop"; start: number; count: number }
  /** Touches and gives back at the same time. */
  | { kind: "race"; lists: readonly Uint32Array[]; removals: readonly { start: number; count: number }[] }
  /** Makes its userfaultfd one that cannot be waited for. */
  | { kind: "block" }
  | { kind: "disconnect" }
  | { kind: "unmap" };

export type Answer =
  | { kind: "done" }
  | { kind: "touched"; wrong: number[] }
  | { kind: "failed"; why: string };

interface Piece {
  at: number;
  firstPage: number;
  pages: number;
}

/** What a thread compares. */
interface Task {
  pieces: readonly Piece[];
  expected: number;
  zeros: number;
  list: Uint32Array;
}

const MARK = Buffer.from("written!");
const threads: Worker[] = [];
let uffd = -1;
let connection = -1;
let pieces: Piece[] = [];
let expected = 0;
let bytes = 0;
let zeros = 0;

if (isMainThread) {
  process.on("message", (order: Order) => {
    void obey(order).then(
      (answer) => process.send?.(answer),
      (reason: unknown) => process.send?.({ kind: "failed", why: String(reason) } satisfies Answer),
    );
  });
  process.on("disconnect", () => process.exit());
} else {
  parentPort?.on("message", (task: Task) => parentPort?.postMessage(touch(task)));
}

async function obey(order: Order): Promise<Answer> {
  switch (order.kind) {
    case "map":
      map(order);
      return { kind: "done" };
    case "connect":
      if (order.uid !== undefined) process.seteuid?.(order.uid);
      try {
        connection = connectTo(order.socket);
      } finally {
        if (order.uid !== undefined) process.seteuid?.(0);
      }
      return { kind: "done" };
    case "send": {
      const fds = { uffd, file: 0, own: connection };
      const text = order.text ?? JSON.stringify(description());
      const length = Math.ceil(text.length / (order.parts ?? 1));
      for (let at = 0; at < text.length; at += length) {
        const descriptors = at === 0 ? order.descriptors.map((name) => fds[name]) : [];
        send(connection, text.slice(at, at + length), descriptors);
      }
      return { kind: "done" };
    }
    case "touch":
      return { kind: "touched", wrong: await touchAll(order.lists) };
    case "remove":
      forPieces(order, giveBack);
      return { kind: "done" };
    case "divide":
      forPieces(order, divide);
      return { kind: "done" };
    case "drop":
      forPieces(order, unmap);
      return { kind: "done" };
    case "race": {
      const touching = touchAll(order.lists);
      for (const range of order.removals) forPieces(range, giveBack);
      return { kind: "touched", wrong: await touching };
    }
    case "block":
      makeBlocking(uffd);
      return { kind: "done" };
    case "disconnect":
      close(connection);
      connection = -1;
      return { kind: "done" };
    case "unmap":
      for (const { at, pages } of pieces) unmap(at, pages * PAGE_BYTES);
      unmap(expected, bytes);
      pieces = [];
      close(uffd);
      if (connection >= 0) close(connection);
      connection = -1;
      return { kind: "done" };
  }
}

function forPieces(
  { start, count }: { start: number; count: number },
  call: (at: number, length: number) => void,
): void {
  for (const piece of pieces) {
    const from = Math.max(start, piece.firstPage);
    const to = Math.min(start + count, piece.firstPage + piece.pages);
    if (from < to) call(piece.at + (from - piece.firstPage) * PAGE_BYTES, (to - from) * PAGE_BYTES);
  }
}

function map({ expected: path, sizes, reportRemovals }: Extract<Order, { kind: "map" }>): void {
  uffd = makeUserfaultfd(reportRemovals);
  let firstPage = 0;
  pieces = sizes.map((pages) => {
    const piece = { at: makeRegion(uffd, pages * PAGE_BYTES), firstPage, pages };
    firstPage += pages;
    return piece;
  });
  bytes = firstPage * PAGE_BYTES;
  expected = mapFile(path, bytes);
  zeros ||= mapFile("/dev/zero", PAGE_BYTES);
}

function description() {
  return pieces.map(({ at, firstPage, pages }) => ({
    base_host_virt_addr: at,
    size: pages * PAGE_BYTES,
    offset: firstPage * PAGE_BYTES,
    page_size: PAGE_BYTES,
    page_size_kib: PAGE_BYTES,
  }));
}

async function touchAll(lists: readonly Uint32Array[]): Promise<number[]> {
  while (threads.length < lists.length) threads.push(new Worker(new URL(import.meta.url)));
  const answers = lists.map(async (list, i) => {
    const thread = threads[i] as Worker;
    thread.postMessage({ pieces, expected, zeros, list } satisfies Task);
    const [wrong] = (await once(thread, "message")) as [number[]];
    return wrong;
  });
  return (await Promise.all(answers)).flat();
}

/** Pages that do not hold what they should. */
function touch({ pieces: parts, expected: file, zeros: zero, list }: Task): number[] {
  const wrong: number[] = [];
  for (const entry of list) {
    const page = Math.floor(entry / 8);
    const piece = parts.find(({ firstPage, pages }) => page < firstPage + pages) as Piece;
    const at = piece.at + (page - piece.firstPage) * PAGE_BYTES;
    if (!isRight(entry % 8, at, file + page * PAGE_BYTES, zero)) wrong.push(page);
  }
  return wrong;
}

function isRight(what: number, at: number, saved: number, zero: number): boolean {
  switch (what) {
    case TOUCH.saved:
      return areEqual(at, saved, PAGE_BYTES);
    case TOUCH.zero:
      return areEqual(at, zero, PAGE_BYTES);
    case TOUCH.either:
      return areEqual(at, saved, PAGE_BYTES) || areEqual(at, zero, PAGE_BYTES);
    case TOUCH.write:
      write(at, MARK);
      return areEqual(at + MARK.length, saved + MARK.length, PAGE_BYTES - MARK.length);
    case TOUCH.written:
      return holds(at, MARK) && areEqual(at + MARK.length, saved + MARK.length, PAGE_BYTES - MARK.length);
    default:
      return false;
  }
}
