// How the two daemons are started: the host agent with root's power, the control plane without.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { certificateSettings } from "./certificate.ts";
import { agentCodeCache, controlPlaneCodeCache } from "./code-cache.ts";
import type { RuntimeLayout } from "./layout.ts";
import { ManagedProcess } from "./process/managed.ts";
import { confinedCommand } from "./process/unprivileged.ts";
import type { RotatingLog } from "./rotating-log.ts";

interface Daemon {
  /** The source tree that holds the daemons. */
  sourceRoot: string;
  log: RotatingLog;
  say: (line: string) => void;
}

export interface HostAgentOptions extends Daemon {
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

export interface ControlPlaneOptions extends Daemon {
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
export function hostAgent(options: HostAgentOptions): ManagedProcess {
  const { sourceRoot, dataDir, cacheDir, block, runtime, clientUid, resolver, vmm, memory, log, say } =
    options;
  return new ManagedProcess({
    name: "host agent",
    log,
    say,
    reportsPid: false,
    env: {
      ...settingsOf(process.env),
      WRENN_DATA_DIR: dataDir,
      WRENN_CACHE_DIR: cacheDir,
      NODE_COMPILE_CACHE: agentCodeCache(cacheDir),
      WRENN_BLOCK: String(block),
      WRENN_SOCKET: runtime.agentSocket,
      WRENN_SOCKET_OWNER: String(clientUid),
      ...(resolver !== undefined && { WRENN_DNS: resolver }),
      ...(vmm !== undefined && { WRENN_VMM: vmm }),
      ...(memory !== undefined && { WRENN_MEMORY: memory }),
    },
    command: () => ["setpriv", "--pdeathsig", "TERM", "--", ...nodeCommand(sourceRoot, "host-agent")],
  });
}

/** The control plane: its own user, no capabilities, and a view of the file system with what it reads. */
export function controlPlane(options: ControlPlaneOptions): ManagedProcess {
  const { sourceRoot, cacheDir, runtime, uid, listen, databaseUrl, log, say } = options;
  const codeCache = controlPlaneCodeCache(cacheDir, uid);
  return new ManagedProcess({
    name: "control plane",
    log,
    say,
    reportsPid: true,
    env: {
      ...settingsOf(process.env),
      ...certificateSettings(process.env, runtime),
      NODE_ENV: "production",
      NODE_COMPILE_CACHE: codeCache,
      DATABASE_URL: databaseUrl,
      WRENN_LISTEN: listen,
      WRENN_HOSTS: `unix:${runtime.agentSocket}`,
      WRENN_BOOTSTRAP_KEY_FILE: runtime.apiKey,
    },
    command: (statusFd) =>
      confinedCommand(
        {
          uid,
          gid: uid,
          // A read-only bind mount lets a client connect to the sockets below it.
          read: [sourceRoot, process.execPath, runtime.dir],
          write: [codeCache],
          command: nodeCommand(sourceRoot, "control-plane"),
        },
        statusFd,
      ),
  });
}

/** Throws `unavailable` when the sources are readable for root only, which no mount can mend. */
export async function checkSourcesReadable(sourceRoot: string): Promise<void> {
  const main = mainFile(sourceRoot, "control-plane");
  const { mode } = await stat(main);
  if ((mode & 0o004) === 0) {
    throw new WrennError(
      "unavailable",
      `${main} is not readable for others, and the control plane is not root: chmod -R go+rX ${sourceRoot}`,
    );
  }
}

/**
 * A young generation of at most 3 x 4 MiB instead of 3 x 16, which the buffers of a transfer would fill at once. Smaller
 * ones, and `--optimize-for-size`, spend several times as long on collecting: 0.3 ms of every call. `--expose-gc` is for
 * `@wrenn/rpc/bulk`.
 */
const HEAP_FLAGS = ["--max-semi-space-size=4", "--expose-gc"];

/**
 * Functions are optimised after some 100 calls instead of 500: a daemon answers few calls, and each should be short
 * (decision 0013). Counts of 30 and 60 took 20 MiB more.
 */
const COMPILER_FLAGS = ["--minimum-invocations-after-ic-update=100", "--invocation-count-for-maglev=100"];

function nodeCommand(sourceRoot: string, packageName: string): string[] {
  return [process.execPath, ...HEAP_FLAGS, ...COMPILER_FLAGS, mainFile(sourceRoot, packageName)];
}

function mainFile(sourceRoot: string, packageName: string): string {
  return join(sourceRoot, "packages", packageName, "src/main.ts");
}

/** What a daemon inherits: the platform's own settings, authorities for TLS, and nothing of the user's shell. */
function settingsOf(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const secret = new Set(["WRENN_API_KEY", "WRENN_URL"]);
  const passed = Object.entries(env).filter(
    ([name]) =>
      (name.startsWith("WRENN_") && !secret.has(name)) ||
      /^(FIRECRACKER_BIN|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|TZ)$/.test(name),
  );
  return {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    LANG: "C.UTF-8",
    ...Object.fromEntries(passed),
  };
}
