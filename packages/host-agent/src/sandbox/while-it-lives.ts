// How long a guest's answer is waited for.
import type { Machine } from "@wrenn/vmm";

/** Aborted after `timeoutMs`, or when the machine has died: that one answers nothing, no reason to wait for it. */
export function whileItLives({ exited }: Pick<Machine, "exited">, timeoutMs: number): AbortSignal {
  const ended = new AbortController();
  void exited.then(() => ended.abort(new Error("the machine has ended")));
  return AbortSignal.any([ended.signal, AbortSignal.timeout(timeoutMs)]);
}
