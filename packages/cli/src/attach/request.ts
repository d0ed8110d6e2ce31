// The stream request that the flags of `run` and `exec` stand for.
import type { ExecStreamRequest } from "@wrenn/sdk";
import { UsageError } from "../failure.ts";
import { defined, environment } from "../values.ts";
import { terminalSize } from "./attach.ts";

export interface CommandFlags {
  readonly env?: readonly string[];
  readonly workdir?: string | undefined;
  readonly user?: string;
  readonly timeout?: number;
  readonly tty: boolean;
}

interface Surroundings {
  env: Readonly<Record<string, string | undefined>>;
  stdout: { columns?: number | undefined; rows?: number | undefined };
}

export function streamRequest(
  command: readonly string[],
  flags: CommandFlags,
  { env, stdout }: Surroundings,
): ExecStreamRequest {
  const [cmd, ...args] = command;
  if (cmd === undefined) throw new UsageError("which command? Put it behind --, as in: -- python3 -V");
  const terminal = flags.tty && env["TERM"] !== undefined ? { TERM: env["TERM"] } : {};
  const envs = { ...terminal, ...environment(flags.env ?? [], env) };
  return defined({
    cmd,
    args,
    cwd: flags.workdir,
    user: flags.user,
    timeout_sec: flags.timeout,
    envs: Object.keys(envs).length > 0 ? envs : undefined,
    pty: flags.tty ? terminalSize(stdout) : undefined,
  }) as ExecStreamRequest;
}
