// A platform of its own for a test file: `./wrenn up` on a free port and a new data directory, taken down afterwards.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Sandbox, WrennClient } from "@wrenn/sdk";
import { harvest, plant } from "../seed.ts";
import { whenToldToEnd } from "../told-to-end.ts";
import { plantCluster } from "./cluster.ts";

export const REPOSITORY: string = join(import.meta.dirname, "../..");

export interface Finished {
  status: number | null;
  stdout: Buffer;
  stderr: string;
}

/** What a running instance says about itself. */
interface Instance {
  url: string;
  pid: number;
  block: number;
}

export interface Platform {
  dataDir: string;
  url: string;
  key: string;
  block: number;
  /** Process id of the supervisor. */
  pid: number;
  client: WrennClient;
  /** A request with the platform's key; nothing of it is interpreted. */
  call(method: string, path: string, options?: CallOptions): Promise<Response>;
  /** The CLI against this platform. */
  wrenn(args: string[], options?: WrennOptions): Promise<Finished>;
  /** Makes a sandbox that is deleted with the platform at the latest. */
  sandbox(request?: Parameters<WrennClient["sandboxes"]["create"]>[0]): Promise<Sandbox>;
  stop(): Promise<void>;
}

export interface CallOptions {
  /** Sent as JSON, unless it is a string, bytes or a form. */
  body?: unknown;
  headers?: Record<string, string>;
  key?: string | null;
  signal?: AbortSignal;
}

export interface WrennOptions {
  stdin?: string | Uint8Array;
  env?: Record<string, string>;
  signal?: AbortSignal;
}

/** Bringing it up includes preparing the guest where the machine has no cache yet. */
const UP_TIMEOUT_MS = 10 * 60_000;

/** Makes forget the platforms that this process has up, by their data directories. */
const ours = new Map<string, () => void>();

/** Starts a platform and waits until the template `minimal` can be used. */
export async function startPlatform(env: Record<string, string> = {}): Promise<Platform> {
  const dataDir = await mkdtemp(join(tmpdir(), "wrenn-e2e-"));
  plant(dataDir);
  await plantCluster(dataDir);
  await up(dataDir, env);
  const platform = await attach(dataDir);
  await platform.client.templates.ensure("minimal");
  harvest(dataDir);
  return platform;
}

/** `./wrenn up --detach` for a data directory; a free port by default. */
export async function up(dataDir: string, env: Record<string, string> = {}): Promise<void> {
  if (!ours.has(dataDir))
    ours.set(
      dataDir,
      whenToldToEnd(() => takeDown(dataDir)),
    );
  const args = ["up", "--detach", "--data-dir", dataDir, "--listen", "127.0.0.1:0"];
  const result = await runWrenn(args, { env, signal: AbortSignal.timeout(UP_TIMEOUT_MS) });
  if (result.status !== 0) throw new Error(`wrenn up failed (${result.status}):\n${result.stderr}`);
}

/** The platform that runs on a data directory. */
export async function attach(dataDir: string): Promise<Platform> {
  const instance = JSON.parse(await readFile(join(dataDir, "instance.json"), "utf8")) as Instance;
  const key = (await readFile(join(dataDir, "api-key"), "utf8")).trim();
  const client = new WrennClient({ url: instance.url, apiKey: key });
  return {
    dataDir,
    url: instance.url,
    block: instance.block,
    pid: instance.pid,
    key,
    client,
    call: (method, path, options = {}) => call(instance.url, key, { method, path, ...options }),
    wrenn: (args, options = {}) =>
      runWrenn(args, { ...options, env: { WRENN_URL: instance.url, WRENN_API_KEY: key, ...options.env } }),
    sandbox: (request = {}) => client.sandboxes.create({ template: "minimal", ...request }),
    stop: () => takeDown(dataDir),
  };
}

/** Ends what runs on a data directory, and removes it. */
async function takeDown(dataDir: string): Promise<void> {
  const result = await runWrenn(["down", "--data-dir", dataDir]);
  if (result.status !== 0) throw new Error(`wrenn down failed (${result.status}):\n${result.stderr}`);
  ours.get(dataDir)?.();
  ours.delete(dataDir);
  await rm(dataDir, { recursive: true, force: true });
}

/** Runs `./wrenn` to its end. */
export function runWrenn(args: string[], options: WrennOptions = {}): Promise<Finished> {
  const child = spawn(join(REPOSITORY, "wrenn"), args, {
    env: { ...process.env, NO_COLOR: "1", ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
    ...(options.signal ? { signal: options.signal } : {}),
  });
  const stdout: Buffer[] = [];
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk;
  });
  child.stdin.on("error", () => {}); // A command may end without reading it all.
  child.stdin.end(options.stdin ?? "");
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, stdout: Buffer.concat(stdout), stderr }));
  });
}

function call(
  url: string,
  ownKey: string,
  options: CallOptions & { method: string; path: string },
): Promise<Response> {
  const { body, key = ownKey } = options;
  const raw = typeof body === "string" || body instanceof Uint8Array || body instanceof FormData;
  return fetch(`${url}${options.path}`, {
    method: options.method,
    headers: {
      ...(key === null ? {} : { "x-api-key": key }),
      ...(body === undefined || raw ? {} : { "content-type": "application/json" }),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body: raw ? (body as BodyInit) : JSON.stringify(body) }),
    ...(options.signal ? { signal: options.signal } : {}),
  });
}

/** Takes the disk of a guest but for 64 MiB, without writing them; returns the file that holds it. */
export async function nearlyFill({ client }: Platform, id: string): Promise<string> {
  const filler = "/home/user/filler";
  const free = "$(df --output=avail -B1 /home/user | tail -1)";
  const script = `fallocate -l $((${free} - (64 << 20))) ${filler}`;
  const { exit_code, stderr } = await client.sandboxes.exec(id, { cmd: "sh", args: ["-c", script] });
  if (exit_code !== 0) throw new Error(`${script}: ${stderr}`);
  return filler;
}
