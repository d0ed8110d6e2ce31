// A host agent by itself, as the supervisor runs it: started, killed, started again on the same data.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { claimBlock, detectCgroups, releaseBlock, sweepBlock } from "@wrenn/linux";
import { HostAgentService } from "@wrenn/rpc/hostagent";
import {
  agentCodeCache,
  compileSources,
  DEFAULT_CACHE_DIR,
  LOAD_ONLY,
  NODE_FLAGS,
  Program,
  SOURCE_ROOT,
} from "@wrenn/supervisor";
import { plant } from "../seed.ts";
import { whenToldToEnd } from "../told-to-end.ts";
import { STEP_FILE_VARIABLE, STEPS_PRELOAD } from "./steps.ts";

export type Rpc = Client<typeof HostAgentService>;

const CACHE_DIR = process.env["WRENN_CACHE_DIR"] ?? DEFAULT_CACHE_DIR;
/** Where the supervisor has the host agent's code compiled: a start takes a third of the time. */
const COMPILED = agentCodeCache(CACHE_DIR);
/** Preparing the guest where the machine has no cache yet, and proving the accelerator. */
const READY_MS = 5 * 60_000;

export interface Agent extends AsyncDisposable {
  readonly dataDir: string;
  readonly block: number;
  readonly rpc: Rpc;
  /** See `faultPoint` of @wrenn/linux. */
  readonly faultFile: string;
  /** See `steps.ts`; heeded where the agent was made with `watched`. */
  readonly stepFile: string;
  /** Resolves when it answers. */
  start(): Promise<void>;
  /** Resolves when the process has ended by itself (a fault point), with its signal. */
  ended(): Promise<string | null>;
  stop(signal: "SIGKILL" | "SIGTERM"): Promise<void>;
  /** The end of its log, for a message. */
  log(): string;
}

/**
 * A data directory (below `parent`) and a block of its own; nothing of it is left when it is disposed of. With `watched`
 * its steps can be followed, see `steps.ts`.
 */
export async function newAgent(
  env: Record<string, string> = {},
  { parent, watched = false }: { parent?: string; watched?: boolean } = {},
): Promise<Agent> {
  const home = mkdtempSync(join(tmpdir(), "wrenn-faults-"));
  const dataDir = parent === undefined ? home : mkdtempSync(join(parent, "wrenn-data-"));
  plant(dataDir);
  const claim = await claimBlock({ dataDir });
  const { block } = claim;
  const runDir = `/run/wrenn/${block}`;
  mkdirSync(runDir, { recursive: true, mode: 0o711 });
  const socketPath = join(runDir, "agent.sock");
  const logFile = join(home, "agent.log");
  const faultFile = join(home, "fault");
  const stepFile = join(home, "step");
  const compiling = { PATH: process.env["PATH"] ?? "", NODE_COMPILE_CACHE: COMPILED };
  const program = new Program({ sourceRoot: SOURCE_ROOT, cacheDir: CACHE_DIR, name: "host-agent" });
  // What is watched is known by its places in the sources.
  if (!watched) await program.prepare();
  // As the supervisor starts it.
  const command = [process.execPath, ...NODE_FLAGS, program.main] as const;
  // An agent that is killed writes nothing of what it has compiled.
  await compileSources({
    sourceRoot: SOURCE_ROOT,
    filled: `${COMPILED}.${watched ? "watched" : "sources"}`,
    command: [...command, LOAD_ONLY],
    env: compiling,
  });
  let child: ChildProcess | undefined;
  let isGone = false;
  let exit: Promise<string | null> = Promise.resolve(null);
  const transport = () =>
    createConnectTransport({ httpVersion: "1.1", baseUrl: "http://agent", nodeOptions: { socketPath } });
  const agent: Agent = {
    dataDir,
    block,
    faultFile,
    stepFile,
    rpc: createClient(HostAgentService, transport()),
    async start() {
      if (isGone) throw new Error("this host agent has been disposed of");
      const log = openSync(logFile, "a");
      const preload = watched ? [STEPS_PRELOAD] : [];
      child = spawn(command[0], [...preload, ...command.slice(1)], {
        stdio: ["ignore", log, log],
        env: {
          ...compiling,
          WRENN_DATA_DIR: dataDir,
          WRENN_BLOCK: String(block),
          WRENN_SOCKET: socketPath,
          WRENN_FAULT_FILE: faultFile,
          ...(watched && { [STEP_FILE_VARIABLE]: stepFile }),
          WRENN_PREPARED_SLOTS: "2",
          ...env,
        },
      });
      closeSync(log);
      exit = once(child, "exit").then(([, signal]) => signal as string | null);
      await answers(agent, exit);
    },
    ended: () => exit,
    async stop(signal) {
      child?.kill(signal);
      await exit;
    },
    log: () => readFileSync(logFile, "utf8").split("\n").slice(-30).join("\n"),
    async [Symbol.asyncDispose]() {
      isGone = true;
      forget();
      await agent.stop("SIGKILL");
      await sweepBlock({ block, cgroups: detectCgroups() });
      rmSync(runDir, { recursive: true, force: true });
      for (const dir of [dataDir, home]) rmSync(dir, { recursive: true, force: true });
      await releaseBlock(claim);
    },
  };
  const forget = whenToldToEnd(async () => await agent[Symbol.asyncDispose]());
  return agent;
}

async function answers(agent: Agent, exit: Promise<string | null>): Promise<void> {
  const deadline = Date.now() + READY_MS;
  let over = false;
  void exit.then(() => {
    over = true;
  });
  for (;;) {
    try {
      await agent.rpc.getHost({}, { timeoutMs: 2000 });
      return;
    } catch {
      if (over || Date.now() > deadline) throw new Error(`the host agent did not come up:\n${agent.log()}`);
      await delay(20);
    }
  }
}
