// `wrenn run -- CMD ARGS…`: a command in a sandbox of its own, on a platform that is brought up if need be.
import { type CreateSandboxRequest, WrennApiError, WrennClient } from "@wrenn/sdk";
import { failureStatus } from "../attach/exit-status.ts";
import { Interrupts } from "../attach/interrupts.ts";
import { checkRemoteFlags, type RemoteFlags, runRemote } from "../attach/run-remote.ts";
import type { Context } from "../context.ts";
import { CliError, describeFailure } from "../failure.ts";
import { dataDirOf } from "../instance/instance.ts";
import { type Lease, leasePlatform } from "../instance/lease.ts";
import { targetOf } from "../instance/target.ts";
import { BuildProgress, Progress } from "../output/progress.ts";
import { defined } from "../values.ts";

export interface RunFlags extends RemoteFlags {
  readonly template: string;
  readonly vcpus?: number;
  readonly memory?: number;
  readonly disk?: number;
  readonly dataDir?: string;
}

/** After this long without a sign of this process, in seconds, the platform destroys the sandbox. */
const SANDBOX_TIMEOUT_SEC = 300;
/** How often that sign is given, in ms. */
const PING_MS = 60_000;

interface Session {
  client: WrennClient;
  progress: Progress;
  interrupts: Interrupts;
}

export default async function run(this: Context, flags: RunFlags): Promise<void> {
  checkRemoteFlags(this, flags);
  const progress = new Progress((line) => this.process.stderr.write(line));
  using interrupts = new Interrupts(this.process);
  try {
    await using lease = await lendPlatform(this, { flags, progress, interrupts });
    const session: Session = { client: new WrennClient(lease.target), progress, interrupts };
    const id = await createSandbox(session, flags);
    try {
      using _pings = keepAlive(session.client, id);
      this.process.exitCode = await runRemote(this, flags, { ...session, id });
    } finally {
      await progress.step("deleting the sandbox", () => session.client.sandboxes.delete(id));
    }
  } catch (error) {
    if (error instanceof CliError && error.exitStatus !== 1) throw error;
    throw new CliError(describeFailure(error), { exitStatus: failureStatus(error), cause: error });
  }
}

/** The service that WRENN_URL names, or the platform of the data directory, started for us if need be. */
async function lendPlatform(
  { process: { env } }: Context,
  { flags, progress, interrupts }: { flags: RunFlags; progress: Progress; interrupts: Interrupts },
): Promise<Lease> {
  if (!env["WRENN_URL"]) {
    return leasePlatform({ dataDir: dataDirOf(flags.dataDir, env), progress, signal: interrupts.signal });
  }
  return { target: targetOf({ dataDir: flags.dataDir, env }), async [Symbol.asyncDispose]() {} };
}

async function createSandbox(session: Session, flags: RunFlags): Promise<string> {
  const { client, progress, interrupts } = session;
  const request = defined({
    template: flags.template,
    vcpus: flags.vcpus,
    memory_mb: flags.memory,
    disk_mb: flags.disk,
    timeout_sec: SANDBOX_TIMEOUT_SEC,
    on_timeout: "destroy",
  }) as CreateSandboxRequest;
  const create = () =>
    progress.step("starting the sandbox", () => createOrDelete(client, request, interrupts.signal));
  try {
    return await create();
  } catch (error) {
    if (!isTemplateMissing(error)) throw error;
  }
  await buildTemplate(session, flags.template);
  return create();
}

/** No template of that name, or one whose build has not ended: `up` begins one by itself. */
function isTemplateMissing(error: unknown): boolean {
  if (!(error instanceof WrennApiError)) return false;
  return error.code === "not_found" || (error.code === "unavailable" && error.field === "template");
}

/** The request itself is not aborted: a sandbox that nobody knows the id of could not be deleted. */
async function createOrDelete(
  client: WrennClient,
  request: CreateSandboxRequest,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted();
  const { id } = await client.sandboxes.create(request);
  if (!signal.aborted) return id;
  await client.sandboxes.delete(id);
  throw signal.reason;
}

async function buildTemplate({ client, progress, interrupts }: Session, name: string): Promise<void> {
  const { signal } = interrupts;
  progress.say(`template ${name} is not there yet; building it`);
  try {
    await client.templates.build({ name }, { signal });
  } catch (error) {
    // Somebody else's build was ready first.
    if (error instanceof WrennApiError && error.code === "already_exists") return;
    throw error;
  }
  const steps = new BuildProgress(progress);
  await client.templates.waitForBuild(name, { signal, onProgress: (build) => steps.report(build.steps) });
}

function keepAlive(client: WrennClient, id: string): Disposable {
  const timer = setInterval(() => {
    // A failure shows where it matters: in the stream.
    client.sandboxes.ping(id).catch(() => undefined);
  }, PING_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
