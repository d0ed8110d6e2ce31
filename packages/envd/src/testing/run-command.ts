// For tests: a process run to its end.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import type { Process, ProcessEvent, StartRequestSchema } from "@wrenn/rpc/envd";

type Request = Omit<MessageInitShape<typeof StartRequestSchema>, "process" | "$typeName" | "$unknown">;
type EndEvent = Extract<ProcessEvent["event"], { case: "end" }>["value"];

export interface Outcome {
  pid: number;
  stdout: string;
  stderr: string;
  pty: string;
  end: EndEvent;
  kinds: string[];
}

export interface RunOptions extends Request {
  cwd?: string;
  envs?: Record<string, string>;
  signal?: AbortSignal;
  timeoutHeaderMs?: number;
}

/** Runs a command without stdin unless the options say otherwise, and collects what it prints. */
export async function run(
  client: Client<typeof Process>,
  command: string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const { cwd, envs = {}, signal, timeoutHeaderMs, ...request } = options;
  const [cmd = "", ...args] = command;
  const config = { cmd, args, envs, ...(cwd === undefined ? {} : { cwd }) };
  const call = { ...(signal && { signal }), ...(timeoutHeaderMs && { timeoutMs: timeoutHeaderMs }) };
  const output = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[], pty: [] as Uint8Array[] };
  const kinds: string[] = [];
  let pid = 0;
  let end: EndEvent | undefined;
  for await (const { event } of client.start({ stdin: false, ...request, process: config }, call)) {
    const told = event?.event;
    kinds.push(told?.case ?? "none");
    if (told?.case === "start") pid = told.value.pid;
    if (told?.case === "end") end = told.value;
    if (told?.case === "data" && told.value.output.case !== undefined) {
      output[told.value.output.case].push(told.value.output.value);
    }
  }
  if (end === undefined) throw new Error("the stream ended without an end event");
  const text = (chunks: Uint8Array[]) => Buffer.concat(chunks).toString("utf8");
  return { pid, stdout: text(output.stdout), stderr: text(output.stderr), pty: text(output.pty), end, kinds };
}

/** Resolves when the condition holds; fails after the deadline. For states of the kernel that nobody reports. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`gave up waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
