// Connecting a stream to this process' own input, output and terminal.
import { once } from "node:events";
import { type ExecExit, type ExecStream, WrennConnectionError } from "@wrenn/sdk";
import { CliError } from "../failure.ts";
import { signalStatus } from "./exit-status.ts";
import type { Interrupts } from "./interrupts.ts";

export interface AttachOptions {
  process: Pick<NodeJS.Process, "stdin" | "stdout" | "stderr">;
  interrupts: Interrupts;
  /** Pass standard input on; else it is closed at once. */
  interactive: boolean;
  /** The command has a terminal: pass keys on as they are, and follow the window's size. */
  tty: boolean;
}

/** Runs a stream to its end. */
export async function attach(stream: ExecStream, options: AttachOptions): Promise<ExecExit> {
  const { stdin, stdout, stderr } = options.process;
  using scope = new DisposableStack();
  options.interrupts.onInterrupt = () => void stream.signal("SIGINT").catch(ignoreEnded);
  scope.defer(() => {
    options.interrupts.onInterrupt = undefined;
  });
  if (options.tty) followTerminal(stream, { stdin, stdout, scope });
  if (options.interactive) {
    const feeding = feed(stream, stdin);
    feeding.catch(ignoreEnded);
    scope.defer(() => stdin.destroy());
  } else {
    await stream.closeStdin().catch(ignoreEnded);
  }
  const outputs = { stdout: writer(stdout), stderr: writer(stderr) };
  for await (const { type, data } of stream) await outputs[type](data);
  return stream.wait();
}

/** The size for a terminal on the other side; 80×24 where there is none on this. */
export function terminalSize(stdout: { columns?: number | undefined; rows?: number | undefined }): {
  cols: number;
  rows: number;
} {
  return { cols: stdout.columns || 80, rows: stdout.rows || 24 };
}

function followTerminal(
  stream: ExecStream,
  { stdin, stdout, scope }: { stdin: NodeJS.ReadStream; stdout: NodeJS.WriteStream; scope: DisposableStack },
): void {
  const resize = () => void stream.resize(terminalSize(stdout)).catch(ignoreEnded);
  stdout.on("resize", resize);
  scope.defer(() => void stdout.off("resize", resize));
  if (!stdin.isTTY) return;
  stdin.setRawMode(true);
  scope.defer(() => void stdin.setRawMode(false));
}

async function feed(stream: ExecStream, stdin: NodeJS.ReadableStream): Promise<void> {
  for await (const chunk of stdin) await stream.writeStdin(chunk as Uint8Array);
  await stream.closeStdin();
}

/** Writes at the pace of the reader. A reader that is gone ends the work, as SIGPIPE would. */
function writer(output: NodeJS.WriteStream): (data: Uint8Array) => Promise<void> {
  let failure: NodeJS.ErrnoException | undefined;
  output.on("error", (error) => {
    failure = error;
  });
  return async (data) => {
    if (!output.write(data) && !failure) await once(output, "drain").catch(() => undefined);
    if (failure?.code === "EPIPE") {
      throw new CliError("nobody reads the output any more", { exitStatus: signalStatus("SIGPIPE") });
    }
    if (failure) throw failure;
  };
}

/** Input for a command that has just ended goes nowhere. Its end is reported by wait(). */
function ignoreEnded(error: unknown): void {
  if (!(error instanceof WrennConnectionError)) throw error;
}
