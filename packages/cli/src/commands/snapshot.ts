// `wrenn snapshot …`: states of sandboxes under names.
import type { Context } from "../context.ts";
import { clientOf } from "../instance/target.ts";
import { print } from "../output/print.ts";
import { Progress } from "../output/progress.ts";
import { formatTable } from "../output/table.ts";
import { defined } from "../values.ts";
import { removeEach } from "./remove-each.ts";
import type { CommonFlags } from "./sandbox.ts";
import { TEMPLATE_COLUMNS } from "./template.ts";

export interface CreateSnapshotFlags extends CommonFlags {
  readonly overwrite: boolean;
  readonly leave?: "running" | "paused";
}

export interface ListSnapshotsFlags extends CommonFlags {
  readonly all: boolean;
}

export async function create(
  this: Context,
  flags: CreateSnapshotFlags,
  id: string,
  name?: string,
): Promise<void> {
  const { env, stderr, stdout } = this.process;
  const client = clientOf({ dataDir: flags.dataDir, env });
  const progress = new Progress((line) => stderr.write(line));
  const request = defined({ sandbox_id: id, name, leave: flags.leave }) as Parameters<
    typeof client.snapshots.create
  >[0];
  const value = await progress.step("saving the snapshot", () =>
    client.snapshots.create(request, { overwrite: flags.overwrite }),
  );
  print(stdout, { json: flags.json, value, text: (made) => `${made.name}\n` });
}

export async function list(this: Context, flags: ListSnapshotsFlags): Promise<void> {
  const client = clientOf({ dataDir: flags.dataDir, env: this.process.env });
  const value = await Array.fromAsync(client.snapshots.list(flags.all ? {} : { type: "snapshot" }));
  print(this.process.stdout, {
    json: flags.json,
    value,
    text: (rows) => formatTable(TEMPLATE_COLUMNS, rows),
  });
}

export async function remove(this: Context, flags: CommonFlags, ...names: string[]): Promise<void> {
  const client = clientOf({ dataDir: flags.dataDir, env: this.process.env });
  await removeEach(this, { names, json: flags.json, remove: (name) => client.snapshots.delete(name) });
}
