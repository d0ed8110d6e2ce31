// The signals of the protocol, by name.
import { WrennError } from "@wrenn/core";
import { Signal } from "@wrenn/rpc/envd";

const NAMES: Partial<Record<number, NodeJS.Signals>> = {
  [Signal.SIGHUP]: "SIGHUP",
  [Signal.SIGINT]: "SIGINT",
  [Signal.SIGQUIT]: "SIGQUIT",
  [Signal.SIGKILL]: "SIGKILL",
  [Signal.SIGUSR1]: "SIGUSR1",
  [Signal.SIGUSR2]: "SIGUSR2",
  [Signal.SIGTERM]: "SIGTERM",
  [Signal.SIGCONT]: "SIGCONT",
  [Signal.SIGSTOP]: "SIGSTOP",
  [Signal.SIGWINCH]: "SIGWINCH",
};

/** Name of a protocol signal; `invalid_argument` for one that is not in the protocol. */
export function signalName(signal: Signal): NodeJS.Signals {
  const name = NAMES[signal];
  if (name === undefined)
    throw new WrennError("invalid_argument", `signal ${signal} is not known`, { field: "signal" });
  return name;
}
