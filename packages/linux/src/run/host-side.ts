// Where the host's side of slots is: normally the machine itself, in tests a namespace of their own.

export interface HostSide {
  /** Name of a network namespace that plays the host. Default: the one this process is in. */
  netns?: string | undefined;
  /** Directory of the records that instances on this machine share. Default: `/run/wrenn`. */
  runDir?: string | undefined;
}

export const DEFAULT_RUN_DIR = "/run/wrenn";

export type Argv = [string, ...string[]];

/** The command, run in a network namespace and otherwise unchanged; nothing is done for `undefined`. */
export function inNetns(netns: string | undefined, argv: Argv): Argv {
  return netns === undefined ? argv : ["nsenter", `--net=/run/netns/${netns}`, "--", ...argv];
}
