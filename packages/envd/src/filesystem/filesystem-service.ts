// The service filesystem.Filesystem.
//
// The agent acts as root and gives what it creates to the request's user, as clients of this protocol are
// used to: a sandbox belongs to one tenant, and uploading to /etc is a wanted thing. What a command may do is
// another matter: commands run as the user.
import { lstatSync, promises, renameSync, statSync } from "node:fs";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { WrennError } from "@wrenn/core";
import type { Filesystem } from "@wrenn/rpc/envd";
import type { Log } from "../agent/log.ts";
import type { AgentState } from "../agent/state.ts";
import { errnoOf, systemError } from "../agent/system-error.ts";
import { unary } from "../rpc/call.ts";
import type { Attachments } from "../streams/attachments.ts";
import { requestUser } from "../users/request-user.ts";
import type { UserDirectory } from "../users/user-directory.ts";
import { watchService } from "../watch/watch-service.ts";
import { entryInfo } from "./entry-info.ts";
import { listDirectory } from "./list-directory.ts";
import { makeDirectory, makeParents } from "./parents.ts";
import { resolvePath } from "./paths.ts";

export interface FilesystemServiceOptions {
  users: UserDirectory;
  state: AgentState;
  log: Log;
  attachments: Attachments;
  /** Milliseconds after which a reader of a watch that takes nothing is cut off. */
  stallMs: number;
}

export function filesystemService({
  users,
  state,
  log,
  attachments,
  stallMs,
}: FilesystemServiceOptions): ServiceImpl<typeof Filesystem> {
  const locate = (context: HandlerContext, given: string, field = "path") => {
    const user = requestUser(context.requestHeader, users, state);
    return { user, path: resolvePath(given, user, state.defaultWorkdir, field) };
  };

  return {
    ...watchService({ locate, users, attachments, stallMs, log }),

    stat: unary(log, (request, context) => {
      const { path } = locate(context, request.path);
      return { entry: attempt("stat", path, "path", () => entryInfo(path, users)) };
    }),

    listDir: unary(log, (request, context) => {
      const { path } = locate(context, request.path);
      const entries = attempt("list", path, "path", () => {
        if (!statSync(path).isDirectory()) throw invalid("path", `'${path}' is not a directory`);
        return listDirectory(path, request.depth || 1, users);
      });
      return { entries };
    }),

    makeDir: unary(log, (request, context) => {
      const { user, path } = locate(context, request.path);
      return attempt("make directory", path, "path", () => {
        const existing = statSync(path, { throwIfNoEntry: false });
        if (existing?.isDirectory()) throw new WrennError("already_exists", `directory '${path}' exists`);
        if (existing !== undefined) throw invalid("path", `'${path}' exists and is not a directory`);
        makeDirectory(path, user);
        return { entry: entryInfo(path, users) };
      });
    }),

    move: unary(log, (request, context) => {
      const { path: source } = locate(context, request.source, "source");
      const { user, path: destination } = locate(context, request.destination, "destination");
      attempt("move", source, "source", () => lstatSync(source));
      return attempt(`move '${source}' to`, destination, "destination", () => {
        makeParents(destination, user);
        renameSync(source, destination);
        return { entry: entryInfo(destination, users) };
      });
    }),

    remove: unary(log, async (request, context) => {
      const { path } = locate(context, request.path);
      if (path === "/") throw invalid("path", "the root directory cannot be removed");
      try {
        await promises.rm(path, { recursive: true, force: true });
      } catch (error) {
        // Removing what is not there is no error, also when what should hold it is a file.
        if (errnoOf(error) !== "ENOTDIR") throw systemError(error, `remove '${path}'`, "path");
      }
      return {};
    }),
  };
}

function attempt<T>(what: string, path: string, field: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw systemError(error, `${what} '${path}'`, field);
  }
}

function invalid(field: string, message: string): WrennError {
  return new WrennError("invalid_argument", message, { field });
}
