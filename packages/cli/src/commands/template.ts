// `wrenn template …`: what sandboxes are made from.
import { readFile } from "node:fs/promises";
import { text as readText } from "node:stream/consumers";
import type { Template } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { clientOf } from "../instance/target.ts";
import { print } from "../output/print.ts";
import { BuildProgress, Progress } from "../output/progress.ts";
import { age, type Column, formatTable, size } from "../output/table.ts";
import { removeEach } from "./remove-each.ts";
import type { CommonFlags } from "./sandbox.ts";

export interface BuildFlags extends CommonFlags {
  readonly recipe?: string;
  readonly verbose: boolean;
}

export async function list(this: Context, flags: CommonFlags): Promise<void> {
  const client = clientOf({ dataDir: flags.dataDir, env: this.process.env });
  const value = await Array.fromAsync(client.snapshots.list());
  print(this.process.stdout, {
    json: flags.json,
    value,
    text: (rows) => formatTable(TEMPLATE_COLUMNS, rows),
  });
}

export async function build(this: Context, flags: BuildFlags, name: string): Promise<void> {
  const client = clientOf({ dataDir: flags.dataDir, env: this.process.env });
  const progress = new Progress((line) => this.process.stderr.write(line));
  const recipe = flags.recipe === undefined ? undefined : await readRecipe(flags.recipe, this);
  await client.templates.build({ name, ...(recipe !== undefined && { recipe }) });
  const steps = new BuildProgress(progress);
  const value = await client.templates.waitForBuild(name, {
    onProgress: (state) => {
      steps.report(state.steps);
      if (flags.verbose) for (const line of state.log) this.process.stderr.write(`${line}\n`);
    },
  });
  print(this.process.stdout, { json: flags.json, value, text: () => `${name}\n` });
}

export async function remove(this: Context, flags: CommonFlags, ...names: string[]): Promise<void> {
  const client = clientOf({ dataDir: flags.dataDir, env: this.process.env });
  await removeEach(this, { names, json: flags.json, remove: (name) => client.snapshots.delete(name) });
}

function readRecipe(path: string, { process: { stdin } }: Context): Promise<string> {
  return path === "-" ? readText(stdin) : readFile(path, "utf8");
}

export const TEMPLATE_COLUMNS: readonly Column<Template>[] = [
  { title: "NAME", value: ({ name }) => name },
  { title: "TYPE", value: ({ type }) => type },
  { title: "VCPUS", value: ({ vcpus }) => vcpus },
  { title: "MEMORY", value: ({ memory_mb }) => `${memory_mb} MiB` },
  { title: "SIZE", value: ({ size_bytes }) => size(size_bytes) },
  { title: "AGE", value: ({ created_at }) => age(created_at) },
];
