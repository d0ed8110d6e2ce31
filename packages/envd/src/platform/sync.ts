// sync(2) that does not stop the agent.
import { dlopen, ptr } from "bun:ffi";

/** Between two looks at whether it is done: a thread that is not JavaScript's reports no event. */
const POLL_MS = 2;

const loadLibc = () =>
  dlopen("libc.so.6", {
    dlsym: { args: ["ptr", "ptr"], returns: "ptr" },
    pthread_create: { args: ["ptr", "ptr", "ptr", "ptr"], returns: "i32" },
    pthread_tryjoin_np: { args: ["u64", "ptr"], returns: "i32" },
    pthread_detach: { args: ["u64"], returns: "i32" },
  }).symbols;
let libc: ReturnType<typeof loadLibc> | undefined;

/**
 * Writes all file systems' dirty data to their disks, in a thread of its own; resolves with whether that was done
 * within `deadlineMs`. It goes on when it was not.
 */
export async function syncFileSystems(deadlineMs: number): Promise<boolean> {
  libc ??= loadLibc();
  const sync = libc.dlsym(null, ptr(Buffer.from("sync\0")));
  const thread = new BigUint64Array(1);
  // sync(2) takes nothing and cannot fail; what a start routine would return is left undefined and never looked at.
  if (sync === null || libc.pthread_create(ptr(thread), null, sync, null) !== 0) {
    throw new Error("no thread for sync(2) could be started");
  }
  const id = thread[0] as bigint;
  const deadline = performance.now() + deadlineMs;
  while (libc.pthread_tryjoin_np(id, null) !== 0) {
    if (performance.now() > deadline) {
      libc.pthread_detach(id);
      return false;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return true;
}
