// `wrenn cp SOURCE TARGET`: files and directories, in and out.
import { Interrupts } from "../attach/interrupts.ts";
import type { Context } from "../context.ts";
import { download } from "../copy/download.ts";
import { parseCopy } from "../copy/place.ts";
import { upload } from "../copy/upload.ts";
import { clientOf } from "../instance/target.ts";
import { print } from "../output/print.ts";
import { Progress } from "../output/progress.ts";
import type { CommonFlags } from "./sandbox.ts";

export interface CopyFlags extends CommonFlags {
  /** Has no effect: what is a directory is copied as one. */
  readonly recursive: boolean;
}

export default async function cp(
  this: Context,
  flags: CopyFlags,
  source: string,
  target: string,
): Promise<void> {
  const copy = parseCopy(source, target);
  const client = clientOf({ dataDir: flags.dataDir, env: this.process.env });
  const progress = new Progress((line) => this.process.stderr.write(line));
  const { stdin, stdout } = this.process;
  using interrupts = new Interrupts(this.process);
  const shared = { client, stdin, stdout, signal: interrupts.signal };
  await progress.step(`copying ${source} to ${target}`, () =>
    copy.direction === "up" ? upload({ ...shared, ...copy }) : download({ ...shared, ...copy }),
  );
  if (target !== "-") {
    print(stdout, { json: flags.json, value: { from: source, to: target }, text: () => "" });
  }
}
