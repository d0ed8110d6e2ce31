// The command line that runs a daemon as an unprivileged user in a mount namespace of its own.
//
// The namespace is what makes a root-owned 0700 data directory, or a source tree under /root, no obstacle:
// bubblewrap binds just what the daemon needs at its usual path, and the directories above it are new ones
// that anybody may enter.
import { dirname } from "node:path";

export interface Unprivileged {
  uid: number;
  gid: number;
  /** Read-only paths, each at its own place. */
  read?: readonly string[];
  /** Read-write paths, each at its own place. */
  write?: readonly string[];
  command: readonly string[];
}

/** What any dynamically linked program of the host needs, and the files that name users, hosts and authorities. */
const SYSTEM = [
  ...["--perms", "0755", "--dir", "/etc"],
  ...["--ro-bind", "/usr", "/usr"],
  ...["bin", "sbin", "lib", "lib64"].flatMap((name) => ["--symlink", `usr/${name}`, `/${name}`]),
  ...["passwd", "group", "nsswitch.conf", "hosts", "resolv.conf", "ssl", "localtime", "timezone"].flatMap(
    (name) => ["--ro-bind-try", `/etc/${name}`, `/etc/${name}`],
  ),
];

/**
 * The argument vector. With a `statusFd`, bubblewrap reports the first process of the pid namespace there,
 * whose only child is the command. That first process dies with the supervisor, however that dies, and all
 * others in the namespace with it.
 */
export function confinedCommand(options: Unprivileged, statusFd?: number): [string, ...string[]] {
  const { uid, gid, read = [], write = [], command } = options;
  return [
    "bwrap",
    ...["--unshare-pid", "--unshare-ipc", "--die-with-parent"],
    ...(statusFd === undefined ? [] : ["--info-fd", String(statusFd)]),
    ...["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"],
    ...SYSTEM,
    ...["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp"],
    ...directoriesAbove([...read, ...write]).flatMap((path) => ["--perms", "0755", "--dir", path]),
    ...read.flatMap((path) => ["--ro-bind", path, path]),
    ...write.flatMap((path) => ["--bind", path, path]),
    ...["--chdir", "/", "--"],
    ...["setpriv", "--reuid", String(uid), "--regid", String(gid), "--clear-groups"],
    ...["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--"],
    ...command,
  ];
}

/** Every directory on the way to the paths, outermost first. Left to itself, bubblewrap makes them 0700. */
function directoriesAbove(paths: readonly string[]): string[] {
  const above = new Set<string>();
  for (const path of paths) {
    for (let at = dirname(path); at !== "/"; at = dirname(at)) above.add(at);
  }
  return [...above].sort((a, b) => a.length - b.length);
}
