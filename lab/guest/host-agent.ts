// The ordinary host agent, as a process of the lab.
import { readFile } from "node:fs/promises";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { WrennError } from "@wrenn/core";
import { until } from "@wrenn/linux";
import { type GetHostResponse, HostAgentService } from "@wrenn/rpc/hostagent";
import { HOST_AGENT } from "../image/code.ts";
import { HOST_AGENT_PORT, INSIDE, labLayout } from "../layout.ts";
import { certificatePaths } from "../machine/certificates.ts";
import type { LabRecord } from "../machine/record.ts";
import type { LabGuest } from "./lab-guest.ts";

/**
 * The settings in which a lab differs from a host: guest parts come ready-made, since nothing can be compiled or
 * downloaded in there, and what a processor does takes ten times as long.
 */
const SETTINGS = {
  WRENN_DATA_DIR: INSIDE.data,
  WRENN_CACHE_DIR: INSIDE.cache,
  WRENN_BLOCK: "0",
  WRENN_SOCKET: INSIDE.agentSocket,
  WRENN_TLS_LISTEN: `0.0.0.0:${HOST_AGENT_PORT}`,
  WRENN_TLS_CERT: `${INSIDE.tls}/host.pem`,
  WRENN_TLS_KEY: `${INSIDE.tls}/host.key`,
  WRENN_TLS_CA: `${INSIDE.tls}/ca.pem`,
  WRENN_GUEST_FILE: INSIDE.guest,
  WRENN_PROOF_DEADLINE_MS: "90000",
  WRENN_BOOT_DEADLINE_MS: "180000",
  WRENN_PREPARED_SLOTS: "1",
  WRENN_CONCURRENT_BOOTS: "1",
  WRENN_CONCURRENT_LOADS: "2",
  // More than there is: clones of one template share nearly all of theirs.
  WRENN_MEMORY_MB: "8192",
  NODE_COMPILE_CACHE: `${INSIDE.store}/compile-cache`,
};

/**
 * Code that a program makes while it runs is translated anew by the emulator, and compilers run ten times as long in there:
 * so V8 interprets.
 */
const NODE_FLAGS = ["--no-sparkplug", "--no-maglev", "--no-opt", "--max-lazy", "--single-threaded"];

/** Choices of whoever starts the lab, which are the host agent's own settings. */
const PASSED_ON = ["WRENN_MEMORY", "WRENN_VMM", "WRENN_ROOTFS", "WRENN_LOG_LEVEL"];

const READY_MS = 240_000;
/** How often a host agent that starts is asked whether it serves, and whether it lives: to look takes the lab's processors from it. */
const ASK_MS = 500;
const LOOK_MS = 5_000;
const STOP_SEC = 120;

/** Starts it with further settings, those of this process's environment among them, and waits until it serves. Returns its process id inside the lab. */
export async function startHostAgent(
  lab: LabRecord,
  guest: LabGuest,
  settings: Record<string, string> = {},
): Promise<number> {
  await guest.run(["mkdir", "-p", "/run/wrenn/0"]);
  const hasFirecracker = (await guest.attempt(["test", "-f", INSIDE.firecracker])).exitCode === 0;
  const pid = await spawnInLab(guest, {
    ...SETTINGS,
    ...(hasFirecracker && { FIRECRACKER_BIN: INSIDE.firecracker }),
    ...Object.fromEntries(
      PASSED_ON.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])),
    ),
    ...settings,
  });
  const running = async () => (await guest.attempt(["test", "-d", `/proc/${pid}`])).exitCode === 0;
  let alive = true;
  let looked = performance.now();
  const ready = await until(
    async () => {
      if ((await describeHost(lab).catch(() => undefined)) !== undefined) return true;
      if (performance.now() - looked > LOOK_MS) {
        alive = await running();
        looked = performance.now();
      }
      return !alive;
    },
    { timeoutMs: READY_MS, longestPauseMs: ASK_MS },
  );
  if (ready && alive) return pid;
  const log = await guest.run(["tail", "-n", "20", INSIDE.agentLog]);
  const what = alive ? "does not serve" : "ended";
  throw new WrennError("internal", `the lab's host agent ${what}; the end of its log:\n${log}`);
}

/** Lets it end by itself, which gives everything back, and waits for that. */
export async function stopHostAgent(guest: LabGuest, pid: number): Promise<void> {
  await guest.attempt(["kill", "-TERM", String(pid)]);
  await guest.run(["timeout", String(STOP_SEC), "tail", `--pid=${pid}`, "-f", "/dev/null"], {
    timeoutSec: STOP_SEC + 10,
  });
}

/** What the host agent says of its machine, asked through mutual TLS as a control plane would. */
export async function describeHost(lab: LabRecord): Promise<GetHostResponse> {
  const { ca, controlPlane } = certificatePaths(labLayout(lab.dir).tls);
  const transport = createConnectTransport({
    httpVersion: "1.1",
    baseUrl: hostAddress(lab),
    nodeOptions: {
      ca: await readFile(ca),
      cert: await readFile(controlPlane.cert),
      key: await readFile(controlPlane.key),
    },
    defaultTimeoutMs: 10_000,
  });
  return await createClient(HostAgentService, transport).getHost({});
}

/** Where a control plane on this machine reaches the lab's host agent. */
export function hostAddress(lab: LabRecord): string {
  return `https://127.0.0.1:${lab.hostPort}`;
}

/** A process that goes on when nobody listens any more. The shell in between only opens the log. */
async function spawnInLab(guest: LabGuest, envs: Record<string, string>): Promise<number> {
  const program = [INSIDE.node, ...NODE_FLAGS, `${INSIDE.code}/${HOST_AGENT}`];
  const argv = ["sh", "-c", 'exec "$@" >>"$LOG" 2>&1', "sh", ...program];
  const [cmd = "", ...args] = argv;
  const hangUp = new AbortController();
  const events = guest.client.process.start(
    {
      process: { cmd, args, envs: { ...envs, LOG: INSIDE.agentLog }, cwd: "/" },
      stdin: false,
      killOnDisconnect: false,
    },
    { headers: { authorization: `Basic ${Buffer.from("root:").toString("base64")}` }, signal: hangUp.signal },
  );
  try {
    for await (const { event } of events) if (event?.event.case === "start") return event.event.value.pid;
    throw new WrennError("internal", "the lab's host agent could not be started");
  } finally {
    hangUp.abort();
  }
}
