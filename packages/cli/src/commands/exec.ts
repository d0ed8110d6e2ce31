// `wrenn exec ID -- CMD ARGS…`: a command in a sandbox that is there.
import { Interrupts } from "../attach/interrupts.ts";
import { checkRemoteFlags, type RemoteFlags, runRemote } from "../attach/run-remote.ts";
import type { Context } from "../context.ts";
import { clientOf } from "../instance/target.ts";

export interface ExecFlags extends Omit<RemoteFlags, "workdir"> {
  readonly cwd?: string;
  readonly dataDir?: string;
}

export default async function exec(this: Context, flags: ExecFlags, id: string): Promise<void> {
  const remote: RemoteFlags = { ...flags, workdir: flags.cwd };
  checkRemoteFlags(this, remote);
  const client = clientOf({ dataDir: flags.dataDir, env: this.process.env });
  using interrupts = new Interrupts(this.process);
  this.process.exitCode = await runRemote(this, remote, { client, id, interrupts });
}
