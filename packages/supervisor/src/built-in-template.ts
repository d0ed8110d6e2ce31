// The template that every instance offers: built in the background when it is not there.
import { setTimeout as delay } from "node:timers/promises";
import { isRecord } from "./is-record.ts";

export const BUILT_IN_TEMPLATE = "minimal";

export interface EnsureTemplateOptions {
  url: string;
  apiKey: string;
  say: (line: string) => void;
  signal: AbortSignal;
}

const LOOK_EVERY_MS = 500;

/** Starts the build, or joins the one under way, and says which step it is at. A failure is said, not thrown. */
export async function ensureTemplate(options: EnsureTemplateOptions): Promise<void> {
  const { say, signal } = options;
  try {
    const started = await call(options, "POST", "/v1/templates", { name: BUILT_IN_TEMPLATE });
    if (started.status === 409) return; // it is there
    if (started.status !== 202) throw new Error(`status ${started.status}: ${describe(started.body)}`);
    await follow(options);
  } catch (error) {
    if (!signal.aborted)
      say(`template ${BUILT_IN_TEMPLATE}: could not be built: ${(error as Error).message}`);
  }
}

async function follow(options: EnsureTemplateOptions): Promise<void> {
  const { say, signal } = options;
  let shown: string | undefined;
  for (;;) {
    const { status, body } = await call(options, "GET", `/v1/templates/${BUILT_IN_TEMPLATE}/build`);
    if (status !== 200 || !isRecord(body)) throw new Error(`status ${status}: ${describe(body)}`);
    if (body["status"] === "ready") {
      if (shown !== undefined) say(`template ${BUILT_IN_TEMPLATE}: ready`);
      return;
    }
    if (body["status"] === "error") throw new Error(String(body["error"]));
    const step = runningStep(body["steps"]);
    if (step !== undefined && step !== shown) say(`template ${BUILT_IN_TEMPLATE}: ${step}`);
    shown = step ?? shown;
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
}

function runningStep(steps: unknown): string | undefined {
  if (!Array.isArray(steps)) return undefined;
  const step: unknown = steps.find((each) => isRecord(each) && each["status"] === "running");
  return isRecord(step) ? String(step["name"]) : undefined;
}

async function call(
  { url, apiKey, signal }: EnsureTemplateOptions,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { "x-api-key": apiKey, ...(body !== undefined && { "content-type": "application/json" }) },
    body: body === undefined ? null : JSON.stringify(body),
    signal,
  });
  const text = await response.text();
  try {
    return { status: response.status, body: JSON.parse(text) };
  } catch {
    return { status: response.status, body: text };
  }
}

function describe(body: unknown): string {
  const error = isRecord(body) ? body["error"] : undefined;
  return isRecord(error) ? String(error["message"]) : JSON.stringify(body).slice(0, 200);
}
