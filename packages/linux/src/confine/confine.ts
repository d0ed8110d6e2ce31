// The command line that shuts a program in: namespaces, what it may see, what it may use, who it is.
import { dirname } from "node:path";
import type { Argv } from "../run/host-side.ts";

/** A path of the host, shown at the same place or at another one. */
export type Bind = string | { from: string; to: string };

export interface Confinement {
  /** Who the program is. It has no supplementary groups and no capabilities. */
  uid: number;
  gid: number;
  /** Path of a network namespace; null = a new one with nothing in it. Without one the program shares the host's network. */
  netns?: string | null | undefined;
  /** All that it sees of the host's files; `devices` keep working as devices. */
  binds: {
    ro: readonly Bind[];
    rw?: readonly Bind[] | undefined;
    devices?: readonly Bind[] | undefined;
  };
  /** Symbolic links, usually `/lib64` and the like of a merged `/usr`. */
  symlinks?: readonly { target: string; path: string }[] | undefined;
  /** Empty directories in memory, writable for the program, each with its limit. */
  tmpfs?: readonly { path: string; bytes: number }[] | undefined;
  limits: ResourceLimits;
  /** Working directory inside. Default: `/`. */
  chdir?: string | undefined;
  /** Default: `wrenn`. */
  hostname?: string | undefined;
}

/** See getrlimit(2). What is not given stays as it is for the platform itself. Core dumps are always off. */
export interface ResourceLimits {
  /** Bytes of the largest file that it may write. */
  fsizeBytes?: number | undefined;
  /** Open descriptors. */
  nofile: number;
  /** Processes and threads of this uid, on the whole machine. */
  nproc?: number | undefined;
  /** Bytes that it may lock in memory. */
  memlockBytes?: number | undefined;
}

/** Descriptors by which the caller holds the program until it may run, see {@link spawnConfined}. */
export interface ControlFds {
  /** bwrap writes the process id here. */
  info: number;
  /** The program waits until there is something to read here. */
  block: number;
}

/** What a program from a Debian system needs to be started: programs, libraries, the loader's cache. */
export const SYSTEM_BINDS: readonly string[] = ["/usr", "/etc/ld.so.cache", "/etc/alternatives"];

/** The links of a merged `/usr` (Debian 12). */
export const MERGED_USR: readonly { target: string; path: string }[] = [
  { target: "usr/bin", path: "/bin" },
  { target: "usr/sbin", path: "/sbin" },
  { target: "usr/lib", path: "/lib" },
  { target: "usr/lib64", path: "/lib64" },
];

/** setpriv needs these three to become somebody else and to give up the rest; it gives them up last. */
const SETPRIV_CAPABILITIES = ["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"];

/**
 * The argument vector that runs `argv` confined. Pure. From the outside in:
 *
 * - `prlimit` sets the limits, which are inherited,
 * - `nsenter` joins the network namespace,
 * - `bwrap` makes mount, pid, ipc, uts and cgroup namespaces; the root is an empty read-only tmpfs with
 *   the binds in it, all without setuid; the program is process 1 of its pid namespace, so its end is
 *   the end of all it started; a signal that it has no handler for does not end it, SIGKILL excepted,
 * - `setpriv` becomes the uid, with no capability in any set and no way to gain one.
 *
 * `setpriv` must be visible inside: {@link SYSTEM_BINDS} hold it. The program's environment is that of
 * the command: nothing of it is on the command line.
 */
export function confine(confinement: Confinement, argv: Argv, control?: ControlFds): Argv {
  const { netns } = confinement;
  return [
    "prlimit",
    ...limits(confinement.limits),
    "--",
    ...(typeof netns === "string" ? ["nsenter", `--net=${netns}`, "--"] : []),
    "bwrap",
    ...(netns === null ? ["--unshare-net"] : []),
    ...namespaces(confinement),
    ...files(confinement),
    ...SETPRIV_CAPABILITIES.flatMap((capability) => ["--cap-add", capability]),
    ...(control ? ["--info-fd", String(control.info), "--block-fd", String(control.block)] : []),
    "--",
    ...setpriv(confinement),
    ...argv,
  ];
}

function limits(limits: ResourceLimits): string[] {
  const resources: [string, number | undefined][] = [
    ["core", 0],
    ["nofile", limits.nofile],
    ["fsize", limits.fsizeBytes],
    ["nproc", limits.nproc],
    ["memlock", limits.memlockBytes],
  ];
  return resources.flatMap(([name, value]) => (value === undefined ? [] : `--${name}=${value}:${value}`));
}

function namespaces({ hostname = "wrenn", chdir = "/" }: Confinement): string[] {
  return [
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--as-pid-1",
    "--new-session",
    ...["--hostname", hostname],
    ...["--chdir", chdir],
  ];
}

/** Mounts in the order in which they cover each other; the root is closed last. */
function files({ binds, symlinks = [], tmpfs = [] }: Confinement): string[] {
  const mounts = [
    ...tmpfs.map(({ path, bytes }) => ({
      path,
      argv: ["--perms", "1777", "--size", String(bytes), "--tmpfs", path],
    })),
    ...bind("--ro-bind", binds.ro),
    ...bind("--bind", binds.rw),
    ...bind("--dev-bind", binds.devices),
    ...symlinks.map(({ target, path }) => ({ path, argv: ["--symlink", target, path] })),
  ];
  const present = new Set(["/proc", "/dev"]);
  return [
    ...["--proc", "/proc", "--dev", "/dev"],
    ...mounts.flatMap(({ path, argv }) => {
      const parents = ancestors(path).filter((parent) => !present.has(parent));
      for (const directory of [...parents, path]) present.add(directory);
      // bwrap itself would make them for root only.
      return [...parents.flatMap((parent) => ["--dir", parent]), ...argv];
    }),
    ...["--remount-ro", "/"],
  ];
}

function bind(option: string, paths: readonly Bind[] = []): { path: string; argv: string[] }[] {
  return paths.map((path) => {
    const { from, to } = typeof path === "string" ? { from: path, to: path } : path;
    return { path: to, argv: [option, from, to] };
  });
}

/** The directories above a path, outermost first, without the root. */
function ancestors(path: string): string[] {
  const parent = dirname(path);
  return parent === "/" ? [] : [...ancestors(parent), parent];
}

function setpriv({ uid, gid }: Confinement): string[] {
  return [
    "/usr/bin/setpriv",
    `--reuid=${uid}`,
    `--regid=${gid}`,
    "--clear-groups",
    "--no-new-privs",
    "--bounding-set=-all",
    "--inh-caps=-all",
    "--ambient-caps=-all",
    "--",
  ];
}
