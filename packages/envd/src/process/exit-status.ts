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
 * The `end` event. `exit_code` is -1 unless the process itself chose one. `error` is set only when the status
 * is unknown: an ordinary failure of the command is no failure of the agent.
 */
export function endEvent(
  exit: Exit,
  timedOut: boolean,
): MessageInitShape<typeof ProcessEvent_EndEventSchema> {
  if (exit.code !== null) {
    return { exitCode: exit.code, exited: true, status: `exit status ${exit.code}`, timedOut };
  }
  if (exit.signal !== null) {
    const death = DEATHS[exit.signal] ?? exit.signal.replace(/^SIG/, "").toLowerCase();
    return { exitCode: -1, exited: false, status: `signal: ${death}`, signal: exit.signal, timedOut };
  }
  const error = "the kernel did not tell how the process ended";
  return { exitCode: -1, exited: false, status: "unknown", error, timedOut };
}
