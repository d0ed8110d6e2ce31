// How the two daemons are started: the host agent with root's power, the control plane without.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { Program } from "./bundle/program.ts";
import { certificateSettings } from "./certificate.ts";
import { agentCodeCache, bundleDirectory, controlPlaneCodeCache, LOAD_ONLY } from "./code-cache.ts";
import { compileSources } from "./compile.ts";
import type { RuntimeLayout } from "./layout.ts";
import { MALLOC_SETTINGS, NODE_FLAGS } from "./node-flags.ts";
import { ManagedProcess } from "./process/managed.ts";
import { confinedCommand } from "./process/unprivileged.ts";
import type { RotatingLog } from "./rotating-log.ts";

export interface Daemon {
  process: ManagedProcess;
  /** Has its sources bundled and compiled, so that it starts without a compiler; to be called before it starts. Never rejects. */
  compile(signal: AbortSignal): Promise<void>;
}

interface DaemonOptions {
  /** The source tree that holds the daemons. */
  sourceRoot: string;
  log: RotatingLog;
  say: (line: string) => void;
}

export interface HostAgentOptions extends DaemonOptions {
  dataDir: string;
  cacheDir: string;
  block: number;
  runtime: RuntimeLayout;
  /** The control plane's user, who may connect. */
  clientUid: number;
  /** The resolver that guests may ask; none when undefined. */
  resolver: string | undefined;
  /** What runs the guests; left to the host agent when undefined. */
  vmm: string | undefined;
  /** `auto`, `shared` or `lazy`; as the environment says when undefined. */
  memory: string | undefined;
}

export interface ControlPlaneOptions extends DaemonOptions {
  /** Holds the directory that `makeCodeCache` made for it. */
  cacheDir: string;
  runtime: RuntimeLayout;
  uid: number;
  /** HOST:PORT. */
  listen: string;
  databaseUrl: string;
}

/**
 * The host agent. It is root, and when the supervisor dies it gets SIGTERM from the kernel, so that two of
 * them never serve one data directory.
 */
export function hostAgent(options: HostAgentOptions): Daemon {
  const { sourceRoot, dataDir, cacheDir, block, runtime, clientUid, resolver, vmm, memory, log, say } =
    options;
  const codeCache = agentCodeCache(cacheDir);
  const env = {
    ...settingsOf(process.env),
    WRENN_DATA_DIR: dataDir,
    WRENN_CACHE_DIR: cacheDir,
    NODE_COMPILE_CACHE: codeCache,
    WRENN_BLOCK: String(block),
    WRENN_SOCKET: runtime.agentSocket,
    WRENN_SOCKET_OWNER: String(clientUid),
    ...(resolver !== undefined && { WRENN_DNS: resolver }),
    ...(vmm !== undefined && { WRENN_VMM: vmm }),
    ...(memory !== undefined && { WRENN_MEMORY: memory }),
  };
  const program = new Program({ sourceRoot, cacheDir, name: "host-agent" });
  const command = () => ["setpriv", "--pdeathsig", "TERM", "--", ...nodeCommand(program)] as const;
  return {
    process: new ManagedProcess({
      name: "host agent",
      log,
      say,
      reportsPid: false,
      env,
      command,
    }),
    compile: async (signal) => {
      await program.prepare(signal);
      await load({ sourceRoot, codeCache, command: [...command(), LOAD_ONLY], env, signal });
    },
  };
}

/** The control plane: its own user, no capabilities, and a view of the file system with what it reads. */
export function controlPlane(options: ControlPlaneOptions): Daemon {
  const { sourceRoot, cacheDir, runtime, uid, listen, databaseUrl, log, say } = options;
  const codeCache = controlPlaneCodeCache(cacheDir, uid);
  const env = {
    ...settingsOf(process.env),
    ...certificateSettings(process.env, runtime),
    NODE_ENV: "production",
    NODE_COMPILE_CACHE: codeCache,
    DATABASE_URL: databaseUrl,
    WRENN_LISTEN: listen,
    WRENN_HOSTS: `unix:${runtime.agentSocket}`,
    WRENN_BOOTSTRAP_KEY_FILE: runtime.apiKey,
  };
  const program = new Program({ sourceRoot, cacheDir, name: "control-plane" });
  const command = (more: readonly string[], statusFd?: number) =>
    confinedCommand(
      {
        uid,
        gid: uid,
        // A read-only bind mount lets a client connect to the sockets below it.
        read: [sourceRoot, process.execPath, runtime.dir, bundleDirectory(cacheDir)],
        write: [codeCache],
        command: [...nodeCommand(program), ...more],
      },
      statusFd,
    );
  return {
    process: new ManagedProcess({
      name: "control plane",
      log,
      say,
      reportsPid: true,
      env,
      command: (statusFd) => command([], statusFd),
    }),
    compile: async (signal) => {
      await program.prepare(signal);
      await load({ sourceRoot, codeCache, command: command([LOAD_ONLY]), env, signal });
    },
  };
}

interface LoadOptions {
  sourceRoot: string;
  codeCache: string;
  /** Loads the daemon's code, with the daemon's own user and flags (both are part of what names compiled code), and ends. */
  command: readonly [string, ...string[]];
  env: Record<string, string>;
  signal: AbortSignal;
}

/** Fills a code cache, unless it was filled from the same sources before. */
async function load({ codeCache, ...rest }: LoadOptions): Promise<void> {
  await compileSources({ filled: `${codeCache}.sources`, ...rest });
}

/** Throws `unavailable` when the sources are readable for root only, which no mount can mend. */
export async function checkSourcesReadable(sourceRoot: string): Promise<void> {
  const main = join(sourceRoot, "packages/control-plane/src/main.ts");
  const { mode } = await stat(main);
  if ((mode & 0o004) === 0) {
    throw new WrennError(
      "unavailable",
      `${main} is not readable for others, and the control plane is not root: chmod -R go+rX ${sourceRoot}`,
    );
  }
}

function nodeCommand(program: Program): string[] {
  return [process.execPath, ...NODE_FLAGS, program.main];
}

/** What a daemon inherits: the platform's own settings, authorities for TLS, and nothing of the user's shell. */
function settingsOf(env: NodeJS.ProcessEnv): Record<string, string> {
  const secret = new Set(["WRENN_API_KEY", "WRENN_URL"]);
  const passed = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined &&
      ((entry[0].startsWith("WRENN_") && !secret.has(entry[0])) ||
        /^(FIRECRACKER_BIN|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|TZ)$/.test(entry[0])),
  );
  return {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    LANG: "C.UTF-8",
    ...MALLOC_SETTINGS,
    ...Object.fromEntries(passed),
  };
}
