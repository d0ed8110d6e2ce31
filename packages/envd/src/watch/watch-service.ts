// The watching part of filesystem.Filesystem.
import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  EventType,
  type Filesystem,
  type FilesystemEvent,
  FilesystemEventSchema,
  type WatchDirRequest,
  type WatchDirResponse,
  WatchDirResponseSchema,
} from "@wrenn/rpc/envd";
import type { Log } from "../agent/log.ts";
import { entryInfo } from "../filesystem/entry-info.ts";
import { streaming, unary } from "../rpc/call.ts";
import type { Attachments } from "../streams/attachments.ts";
import { eventStream } from "../streams/event-stream.ts";
import { Subscription } from "../streams/subscription.ts";
import type { UserDirectory } from "../users/user-directory.ts";
import { openWatch, watchError } from "./open-watch.ts";
import type { Change, TreeWatch } from "./tree-watch.ts";
import { Watchers } from "./watchers.ts";

/** What an event weighs in a reader's queue. */
const EVENT_BYTES = 256;

const START = create(WatchDirResponseSchema, { event: { case: "start", value: {} } });
const KEEPALIVE = create(WatchDirResponseSchema, { event: { case: "keepalive", value: {} } });

export interface WatchServiceOptions {
  /** Absolute path of a request's path. */
  locate: (context: HandlerContext, path: string) => { path: string };
  users: UserDirectory;
  attachments: Attachments;
  /** Milliseconds after which a reader that takes nothing is cut off. */
  stallMs: number;
  log: Log;
}

type Methods = "watchDir" | "createWatcher" | "getWatcherEvents" | "removeWatcher";

export function watchService(options: WatchServiceOptions): Pick<ServiceImpl<typeof Filesystem>, Methods> {
  const { locate, users, attachments, stallMs, log } = options;
  const watchers = new Watchers<{ path: string; includeEntry: boolean }>();

  const describe = (root: string, { name, type }: Change, includeEntry: boolean): FilesystemEvent => {
    const path = name === "." ? root : `${root === "/" ? "" : root}/${name}`;
    const isThere = type !== EventType.REMOVE && type !== EventType.RENAME;
    const entry = includeEntry && isThere ? entryIfThere(path, users) : undefined;
    return create(FilesystemEventSchema, { name, type, ...(entry === undefined ? {} : { entry }) });
  };

  /** At the pace of the reader; what is too much for that is kept, and at last dropped, by the kernel. */
  const pump = async (
    watch: TreeWatch,
    root: string,
    into: Subscription<WatchDirResponse>,
    entry: boolean,
  ) => {
    try {
      for (let changes = await watch.next(); changes !== undefined; changes = await watch.next()) {
        for (const change of changes) {
          const event = { case: "filesystem", value: describe(root, change, entry) } as const;
          into.offer({ event: create(WatchDirResponseSchema, { event }), bytes: EVENT_BYTES });
        }
        for (let wait = into.room(stallMs); wait; wait = into.room(stallMs)) await wait;
      }
    } catch (error) {
      into.close(watchError(error, `watch '${root}'`));
    }
  };

  async function* watchDir(request: WatchDirRequest, context: HandlerContext) {
    const { path } = locate(context, request.path);
    const watch = openWatch(path, request);
    const subscription = new Subscription<WatchDirResponse>(() => watch.close());
    const leave = attachments.attach(subscription);
    void pump(watch, path, subscription, request.includeEntry);
    try {
      yield* eventStream({ start: START, keepalive: KEEPALIVE, subscription, context });
    } finally {
      leave();
    }
  }

  return {
    watchDir: streaming(log, watchDir),
    createWatcher: unary(log, (request, context) => {
      const { path } = locate(context, request.path);
      const { includeEntry } = request;
      return { watcherId: watchers.create(() => openWatch(path, request), { path, includeEntry }) };
    }),
    getWatcherEvents: unary(log, ({ watcherId }) => {
      const { changes, context } = watchers.take(watcherId);
      return { events: changes.map((change) => describe(context.path, change, context.includeEntry)) };
    }),
    removeWatcher: unary(log, ({ watcherId }) => {
      watchers.remove(watcherId);
      return {};
    }),
  };
}

function entryIfThere(path: string, users: UserDirectory) {
  try {
    return entryInfo(path, users);
  } catch {
    return undefined;
  }
}
