// Starts an instance: database, host agent and control plane, in order and under one owner.

import { existsSync } from "node:fs";
import { chmod, chown, mkdir, readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { newToken, Scope, WrennError } from "@wrenn/core";
import { claimBlock, hasMachines, planBlock, processIdentity, releaseBlock, until } from "@wrenn/linux";
import { copyCertificate } from "./certificate.ts";
import { agentCodeCache, controlPlaneCodeCache, makeCodeCache } from "./code-cache.ts";
import { checkSourcesReadable, controlPlane, hostAgent } from "./daemons.ts";
import { DatabaseServer } from "./database/server.ts";
import { databaseUrl, externalDatabaseNotice } from "./database/settings.ts";
import { waitUntilHealthy } from "./health.ts";
import { type Instance, removeInstance, writeInstance } from "./instance.ts";
import { type DataLayout, dataLayout, logFile, type RuntimeLayout, runtimeLayout } from "./layout.ts";
import { endDaemons, removeLeftovers } from "./leftovers.ts";
import {
  formatListenAddress,
  isLoopback,
  type ListenAddress,
  localUrl,
  reservePort,
} from "./listen-address.ts";
import type { ManagedProcess } from "./process/managed.ts";
import type { Progress } from "./progress.ts";
import { chooseResolver } from "./resolver.ts";
import { RotatingLog } from "./rotating-log.ts";
import { secretFile } from "./secret-file.ts";
import { VERSION } from "./version.ts";

export interface StartOptions {
  /** The source tree that holds the daemons. */
  sourceRoot: string;
  dataDir: string;
  cacheDir: string;
  listen: ListenAddress;
  /** `--dns` as given. */
  dns: string | undefined;
  /** `--vmm` as given. */
  vmm: string | undefined;
  /** `--memory` as given; the host agent's own default when undefined. */
  memory: string | undefined;
  /** An external database; without it the instance runs its own. */
  databaseUrl: string | undefined;
  progress: Progress;
  /** Gives up while starting; what has been started is stopped again. */
  signal: AbortSignal;
}

export interface RunningInstance {
  instance: Instance;
  apiKey: string;
  data: DataLayout;
  /** Stops everything in order and gives everything back. */
  stop(): Promise<void>;
  /**
   * Makes a stop under way take no more time than it must. Sandboxes that are not paused yet are left as they are, for the
   * next start to take over.
   */
  hurry(): void;
}

/** Milliseconds. The host agent proves its accelerator by running a guest before it listens. */
const READY_MS = 180_000;
/** Between two looks at a host agent that starts, ms: it is busy for a second, and looking takes processor time from it. */
const LONGEST_PAUSE_MS = 30;
const CONTROL_PLANE_PATIENCE_MS = 15_000;
/** It pauses what runs: thirty seconds as a rule, longer where much memory meets a slow disk. */
const HOST_AGENT_PATIENCE_MS = 120_000;

/** Resolves when the API answers. Throws with everything given back when it cannot be brought up. */
export async function startInstance(options: StartOptions): Promise<RunningInstance> {
  const { progress, signal } = options;
  await using scope = new Scope();
  const data = dataLayout(options.dataDir);
  await mkdir(data.logs, { recursive: true, mode: 0o700 });
  const resolver = chooseResolver(options.dns, await readFile("/etc/resolv.conf", "utf8").catch(() => ""));
  await checkSourcesReadable(options.sourceRoot);

  const { block } = await scope.take("block", () => claimBlock({ dataDir: options.dataDir }), releaseBlock);
  await endDaemons(block, data);
  await removeInstance(data.instance);
  // Machines are ended only when a host agent has paused what it is to pause: not those that an earlier run left before
  // one has taken them over, nor those of one that is not there to be asked, or is cut short.
  let mayEndMachines = !hasMachines(block);
  let hasServed = false;
  scope.defer("what the block holds", async () => {
    if (mayEndMachines || !hasMachines(block)) return await removeLeftovers(block, data);
    await endDaemons(block, data);
    progress.say("some sandboxes still run: `wrenn up` takes them over, `wrenn down` ends them");
  });
  const listen = await reservePort(options.listen);
  if (!isLoopback(listen.host)) {
    progress.say(
      `${listen.host} can be reached from other machines, and the API does not encrypt: put TLS in front`,
    );
  }

  if (options.databaseUrl !== undefined) {
    const own = existsSync(data.database) ? data.database : undefined;
    progress.say(externalDatabaseNotice(options.databaseUrl, own));
  }

  const runtime = runtimeLayout(block);
  const uid = planBlock(block).controlPlaneUid;
  const apiKey = await secretFile(data.apiKey, () => `wrn_${newToken()}`);
  await makeRuntimeDirectory(runtime, { uid, apiKey });
  await makeCodeCache(agentCodeCache(options.cacheDir), 0);
  await makeCodeCache(controlPlaneCodeCache(options.cacheDir, uid), uid);
  const logTo = (name: string) =>
    scope.take(
      `log of ${name}`,
      () => new RotatingLog(logFile(data, name)),
      (log) => log.close(),
    );
  const say = (line: string): void => progress.say(line);

  const password = await secretFile(data.databasePassword, newToken);
  const database =
    options.databaseUrl === undefined
      ? new DatabaseServer({
          dataDir: data.database,
          socketDirectory: runtime.databaseSocket,
          clientGid: uid,
          password,
          log: await logTo("postgres"),
          say,
        })
      : undefined;
  const agent = hostAgent({
    sourceRoot: options.sourceRoot,
    dataDir: options.dataDir,
    cacheDir: options.cacheDir,
    block,
    runtime,
    clientUid: uid,
    resolver,
    vmm: options.vmm,
    memory: options.memory,
    log: await logTo("host-agent"),
    say,
  });
  const api = controlPlane({
    sourceRoot: options.sourceRoot,
    cacheDir: options.cacheDir,
    runtime,
    uid,
    listen: formatListenAddress(listen),
    databaseUrl: options.databaseUrl ?? databaseUrl(runtime.databaseSocket, password),
    log: await logTo("control-plane"),
    say,
  });
  scope.defer("database", () => database?.stop());
  scope.defer("host agent", async () => {
    // Nobody has a sandbox of one that never listened: what it runs by then is a trial.
    hasServed ||= await accepts(runtime.agentSocket);
    const inOrder = await agent.process.stop({ signal: "SIGTERM", patienceMs: HOST_AGENT_PATIENCE_MS });
    mayEndMachines = inOrder || (mayEndMachines && !hasServed);
  });
  scope.defer("control plane", async () => {
    await api.process.stop({ signal: "SIGTERM", patienceMs: CONTROL_PLANE_PATIENCE_MS });
  });

  const url = localUrl(listen);
  const compileAndStartAgent = async () => {
    await agent.compile(signal);
    signal.throwIfAborted();
    await agent.process.start();
  };
  // All of it is waited for, also when some of it fails: what is still being started cannot be stopped.
  const begun = await Promise.allSettled([
    compileAndStartAgent(),
    database && progress.step("starting the database", () => database.start()),
    api.compile(signal),
  ]);
  signal.throwIfAborted();
  for (const each of begun) if (each.status === "rejected") throw each.reason;
  // Both at once: each is busy with starting for seconds, and the control plane asks again until the agent answers.
  await Promise.all([
    progress.step("starting the host agent", async () => {
      await agent.process.orDeath(answersOn(runtime.agentSocket, signal));
      hasServed = true;
    }),
    progress.step("starting the control plane", async () => {
      await api.process.start();
      await api.process.orDeath(waitUntilHealthy(url, READY_MS, signal));
    }),
  ]);

  const self = processIdentity(process.pid);
  if (!self) throw new Error("this process is not in /proc");
  const instance = { url, pid: self.pid, start_time: self.startTime, block, version: VERSION };
  await scope.take(
    "instance file",
    () => writeInstance(data.instance, instance),
    () => removeInstance(data.instance),
  );
  return running({
    scope: scope.move(),
    instance,
    apiKey,
    data,
    processes: { database, agent: agent.process, api: api.process },
    say,
  });
}

function running(parts: {
  scope: Scope;
  instance: Instance;
  apiKey: string;
  data: DataLayout;
  processes: { database: DatabaseServer | undefined; agent: ManagedProcess; api: ManagedProcess };
  say: (line: string) => void;
}): RunningInstance {
  const { scope, instance, apiKey, data, processes, say } = parts;
  return {
    instance,
    apiKey,
    data,
    stop: () => scope.close(),
    hurry() {
      say("not waiting any longer: sandboxes that are not paused yet are left running");
      processes.api.signal("SIGKILL");
      processes.agent.signal("SIGKILL");
      processes.database?.hurry();
    },
  };
}

/** The block's directory under /run, with the key where the control plane's user can read it. */
async function makeRuntimeDirectory(
  runtime: RuntimeLayout,
  { uid, apiKey }: { uid: number; apiKey: string },
): Promise<void> {
  await mkdir(runtime.dir, { recursive: true });
  await chmod(runtime.dir, 0o711);
  await writeFile(runtime.apiKey, `${apiKey}\n`, { mode: 0o400 });
  await chown(runtime.apiKey, uid, uid);
  await copyCertificate(process.env, { runtime, uid });
}

/** Resolves when something accepts connections on a Unix socket. */
async function answersOn(path: string, signal: AbortSignal): Promise<void> {
  if (
    !(await until(() => accepts(path), { timeoutMs: READY_MS, longestPauseMs: LONGEST_PAUSE_MS, signal }))
  ) {
    throw new WrennError("deadline_exceeded", `nothing listened on ${path} after ${READY_MS / 1000} s`);
  }
}

async function accepts(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ path });
  socket.once("connect", () => resolve(true));
  socket.once("error", () => resolve(false));
  const answer = await promise;
  socket.destroy();
  return answer;
}
