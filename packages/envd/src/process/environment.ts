// The environment of a child: never the agent's own.
import type { User } from "../users/user-directory.ts";

/** Where commands are looked for unless the request's environment says otherwise (Debian's login default for root). */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What kind of terminal a process on one is told to be on, unless an environment says otherwise. */
const DEFAULT_TERM = "xterm-256color";

/**
 * PATH, HOME, USER and LOGNAME of the user (and TERM on a terminal), over them the guest's environment, over that the request's.
 * Built from nothing, so that the agent's own variables (its loader's among them) cannot reach a child.
 */
export function childEnvironment(
  user: Pick<User, "name" | "home">,
  guest: Readonly<Record<string, string>>,
  request: Readonly<Record<string, string>>,
  onTerminal: boolean,
): Record<string, string> {
  const base = { PATH: DEFAULT_PATH, HOME: user.home, USER: user.name, LOGNAME: user.name };
  return { ...base, ...(onTerminal ? { TERM: DEFAULT_TERM } : {}), ...guest, ...request };
}
