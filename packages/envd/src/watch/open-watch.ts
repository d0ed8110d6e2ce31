// From a request to a watch that is on.
import { statfsSync, statSync } from "node:fs";
import { WrennError } from "@wrenn/core";
import { errnoOf, systemError } from "../agent/system-error.ts";
import { Inotify } from "../platform/inotify.ts";
import { isNetworkFileSystem } from "./network-file-systems.ts";
import { TreeWatch } from "./tree-watch.ts";

export interface WatchRequest {
  recursive: boolean;
  allowNetworkMounts: boolean;
}

/**
 * Errors: `not_found`; `invalid_argument` for what is not a directory, or is on a network file system and may not be;
 * `capacity` when the kernel gives no more watches.
 */
export function openWatch(path: string, { recursive, allowNetworkMounts }: WatchRequest): TreeWatch {
  try {
    if (!statSync(path).isDirectory()) throw invalid(`'${path}' is not a directory`);
    if (!allowNetworkMounts && isNetworkFileSystem(statfsSync(path).type)) {
      throw invalid(`'${path}' is on a network file system; not all that happens there would be seen`);
    }
    return new TreeWatch(path, recursive, new Inotify());
  } catch (error) {
    throw watchError(error, `watch '${path}'`);
  }
}

/** As {@link systemError}; but of watches there is no space, it is a number that is used up. */
export function watchError(error: unknown, attempt: string): WrennError {
  if (errnoOf(error) !== "ENOSPC") return systemError(error, attempt, "path");
  return new WrennError("capacity", `${attempt}: no more directories can be watched`, { cause: error });
}

function invalid(message: string): WrennError {
  return new WrennError("invalid_argument", message, { field: "path" });
}
