// `wrenn up`: runs an instance until it is told to stop.
import { mkdirSync } from "node:fs";
import { ensureTemplate } from "./built-in-template.ts";
import { dataLayout, logFile } from "./layout.ts";
import { notifierOf } from "./notify.ts";
import { lineProgress, type Progress } from "./progress.ts";
import { RotatingLog } from "./rotating-log.ts";
import { type RunningInstance, type StartOptions, startInstance } from "./start.ts";
import { StopRequests } from "./stop-requests.ts";

export type UpOptions = Omit<StartOptions, "progress" | "signal">;

/**
 * Starts the instance, stays until SIGINT, SIGTERM or SIGHUP, and stops it. One more that is no echo
 * ({@link StopRequests}) hurries the stop. Returns the exit status.
 */
export async function up(options: UpOptions): Promise<number> {
  const notifier = notifierOf(process.env);
  const data = dataLayout(options.dataDir);
  mkdirSync(data.logs, { recursive: true, mode: 0o700 });
  const ownLog = new RotatingLog(logFile(data, "supervisor"));
  const progress = lineProgress((line) => {
    ownLog.write(`${new Date().toISOString()} ${line}`);
    if (notifier) notifier.send({ say: line });
    else process.stderr.write(line);
  });

  const stopping = new AbortController();
  let running: RunningInstance | undefined;
  const requests = new StopRequests();
  const onSignal = (signal: NodeJS.Signals): void => {
    const request = requests.receive(signal);
    if (request === "hurry") running?.hurry();
    if (request !== "stop") return;
    progress.say("stopping");
    stopping.abort(new Error("stopped while starting"));
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);
  // A terminal that went away is no reason to stop half-way.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

  try {
    running = await startInstance({ ...options, progress, signal: stopping.signal });
    const summary = summaryOf(running);
    if (notifier) notifier.send({ ready: summary });
    else process.stdout.write(summary);
    notifier?.close();
    await serve(running, progress, stopping.signal);
    progress.say("stopped");
    return 0;
  } catch (error) {
    if (!stopping.signal.aborted) {
      notifier?.send({ failed: (error as Error).message });
      throw error;
    }
    progress.say(`stopped: ${(error as Error).message}`);
    return 1;
  } finally {
    notifier?.close();
    ownLog.close();
  }
}

async function serve(running: RunningInstance, progress: Progress, stop: AbortSignal): Promise<void> {
  const { instance, apiKey } = running;
  const template = ensureTemplate({
    url: instance.url,
    apiKey,
    say: (line) => progress.say(line),
    signal: stop,
  });
  const stopped = Promise.withResolvers<void>();
  stop.addEventListener("abort", () => stopped.resolve());
  if (stop.aborted) stopped.resolve();
  await stopped.promise;
  await template;
  await running.stop();
}

/** What a person needs to know about a running instance. */
export function summaryOf({ instance, data }: Pick<RunningInstance, "instance" | "data">): string {
  return [
    "Wrenn Sandbox is ready.",
    `  API      ${instance.url}`,
    `  docs     ${instance.url}/docs`,
    `  console  ${instance.url}/test`,
    `  API key  ${data.apiKey}`,
    "",
  ].join("\n");
}
