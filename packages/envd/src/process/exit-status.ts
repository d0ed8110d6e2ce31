// How the end of a process is told.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ProcessEvent_EndEventSchema } from "@wrenn/rpc/envd";

export interface Exit {
  /** Exit code; `null` when a signal ended the process or the status could not be found out. */
  code: number | null;
  /** Signal name, or the number as text for a signal without one. */
  signal: string | null;
}

/** What each signal's death is called in `status` (the words of Go's syscall.Signal, which clients print). */
const DEATHS: Partial<Record<string, string>> = {
  SIGHUP: "hangup",
  SIGINT: "interrupt",
  SIGQUIT: "quit",
  SIGILL: "illegal instruction",
  SIGTRAP: "trace/breakpoint trap",
  SIGABRT: "aborted",
  SIGBUS: "bus error",
  SIGFPE: "floating point exception",
  SIGKILL: "killed",
  SIGUSR1: "user defined signal 1",
  SIGSEGV: "segmentation fault",
  SIGUSR2: "user defined signal 2",
  SIGPIPE: "broken pipe",
  SIGALRM: "alarm clock",
  SIGTERM: "terminated",
};

/**
 * The `end` event. `exit_code` is -1 unless the process itself chose one. `error` repeats the status of a failure,
 * which clients show as the reason; it stands alone when nobody knows how the process ended.
 */
export function endEvent(
  exit: Exit,
  timedOut: boolean,
): MessageInitShape<typeof ProcessEvent_EndEventSchema> {
  if (exit.code !== null) {
    const status = `exit status ${exit.code}`;
    const error = exit.code === 0 ? {} : { error: status };
    return { exitCode: exit.code, exited: true, status, ...error, timedOut };
  }
  if (exit.signal !== null) {
    const status = `signal: ${DEATHS[exit.signal] ?? exit.signal.replace(/^SIG/, "").toLowerCase()}`;
    return { exitCode: -1, exited: false, status, error: status, signal: exit.signal, timedOut };
  }
  const error = "the kernel did not tell how the process ended";
  return { exitCode: -1, exited: false, status: "unknown", error, timedOut };
}
