// `wrenn sandbox pause|resume|fork|restore`: sandboxes to disk and back, copies, and a step back in time.
import type { ForkRequest } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { clientOf } from "../instance/target.ts";
import { print } from "../output/print.ts";
import { Progress } from "../output/progress.ts";
import { defined, pairs } from "../values.ts";
import type { CommonFlags } from "./sandbox.ts";

export interface ResumeFlags extends CommonFlags {
  readonly start?: "cold";
}

export interface ForkFlags extends CommonFlags {
  readonly count?: number;
  readonly metadata?: readonly string[];
}

export async function pause(this: Context, flags: CommonFlags, id: string): Promise<void> {
  const { client, progress } = open(this, flags);
  const value = await progress.step("saving the sandbox", () => client.sandboxes.pause(id));
  print(this.process.stdout, { json: flags.json, value, text: () => "" });
}

export async function resume(this: Context, flags: ResumeFlags, id: string): Promise<void> {
  const { client, progress } = open(this, flags);
  const request = defined({ start: flags.start });
  const value = await progress.step("resuming the sandbox", () => client.sandboxes.resume(id, request));
  print(this.process.stdout, { json: flags.json, value, text: () => "" });
}

export async function fork(this: Context, flags: ForkFlags, id: string): Promise<void> {
  const { client, progress } = open(this, flags);
  const request = defined({
    count: flags.count,
    metadata: flags.metadata && pairs(flags.metadata),
  }) as ForkRequest;
  const value = await progress.step("copying the sandbox", () => client.sandboxes.fork(id, request));
  print(this.process.stdout, {
    json: flags.json,
    value,
    text: (forks) => forks.map((made) => `${made.id}\n`).join(""),
  });
}

export async function restore(
  this: Context,
  flags: CommonFlags,
  id: string,
  snapshot: string,
): Promise<void> {
  const { client, progress } = open(this, flags);
  const value = await progress.step(`going back to ${snapshot}`, () =>
    client.sandboxes.restore(id, { snapshot }),
  );
  print(this.process.stdout, { json: flags.json, value, text: () => "" });
}

function open({ process: { env, stderr } }: Context, { dataDir }: CommonFlags) {
  return {
    client: clientOf({ dataDir, env }),
    progress: new Progress((line) => stderr.write(line)),
  };
}
