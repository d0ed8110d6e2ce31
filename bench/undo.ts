// What a run has made is undone when it ends, also when Ctrl-C or SIGTERM ends it: the last first.
import { constants } from "node:os";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

const made = new Set<() => unknown>();
let interrupted = false;

/** Remembers how something is undone that was just made. Returns the same, to be called once it is not needed any more. */
export function undoable<T>(undo: () => T): () => T {
  let done: { with: T } | undefined;
  const once = () => {
    made.delete(once);
    done ??= { with: undo() };
    return done.with;
  };
  made.add(once);
  return once;
}

/** Does the work of a process and returns its result. A signal ends both: what was made is undone, and the process exits. */
export async function interruptible(work: () => Promise<number>): Promise<number> {
  const signalled = new Promise<number>((resolve) => {
    for (const signal of SIGNALS) {
      process.once(signal, () => {
        interrupted = true;
        process.stderr.write("interrupted: taking down what was brought up\n");
        resolve(128 + constants.signals[signal]);
      });
    }
  });
  let isUndone = true;
  let status: number;
  try {
    status = await Promise.race([work(), signalled]);
  } catch (reason) {
    // The terminal sends Ctrl-C to children as well; their failure may be seen first.
    await new Promise(setImmediate);
    if (!interrupted) throw reason;
    status = await signalled;
  } finally {
    isUndone = await undoAll();
    if (interrupted) process.exit(await signalled);
  }
  return isUndone ? status : Math.max(status, 1);
}

/** One that fails is told of, and keeps none of the others from being undone. Returns whether all were. */
async function undoAll(): Promise<boolean> {
  let isUndone = true;
  for (const undo of [...made].reverse()) {
    try {
      await undo();
    } catch (reason) {
      isUndone = false;
      process.stderr.write(`could not undo: ${reason instanceof Error ? reason.stack : reason}\n`);
    }
  }
  return isUndone;
}
