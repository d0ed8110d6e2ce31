// `wrenn sandbox …`: sandboxes that stay until they are deleted or time out.
import type { CreateSandboxRequest, Sandbox } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { clientOf } from "../instance/target.ts";
import { print } from "../output/print.ts";
import { Progress } from "../output/progress.ts";
import { age, type Column, formatFields, formatTable } from "../output/table.ts";
import { defined, environment, pairs } from "../values.ts";
import { removeEach } from "./remove-each.ts";

export interface CommonFlags {
  readonly json: boolean;
  readonly dataDir?: string;
}

export interface CreateFlags extends CommonFlags {
  readonly template: string;
  readonly vcpus?: number;
  readonly memory?: number;
  readonly disk?: number;
  readonly timeout?: number;
  readonly onTimeout?: "pause" | "destroy";
  readonly env?: readonly string[];
  readonly metadata?: readonly string[];
  readonly start?: "clone" | "cold";
  readonly minIsolation?: "kvm" | "tcg";
}

export interface ListFlags extends CommonFlags {
  readonly all: boolean;
  readonly template?: string;
  readonly metadata?: readonly string[];
}

export async function create(this: Context, flags: CreateFlags): Promise<void> {
  const { env } = this.process;
  const client = clientOf({ dataDir: flags.dataDir, env });
  const progress = new Progress((line) => this.process.stderr.write(line));
  const request = defined({
    template: flags.template,
    vcpus: flags.vcpus,
    memory_mb: flags.memory,
    disk_mb: flags.disk,
    timeout_sec: flags.timeout,
    on_timeout: flags.onTimeout,
    envs: flags.env && environment(flags.env, env),
    metadata: flags.metadata && pairs(flags.metadata),
    start: flags.start,
    min_isolation: flags.minIsolation,
  }) as CreateSandboxRequest;
  const value = await progress.step("starting the sandbox", () => client.sandboxes.create(request));
  print(this.process.stdout, { json: flags.json, value, text: ({ id }) => `${id}\n` });
}

export async function list(this: Context, flags: ListFlags): Promise<void> {
  const client = clientOf({ dataDir: flags.dataDir, env: this.process.env });
  const labels = Object.entries(pairs(flags.metadata ?? []));
  const filter = {
    ...(flags.template !== undefined && { template: flags.template }),
    ...Object.fromEntries(labels.map(([key, value]) => [`metadata.${key}`, value])),
  };
  const sandboxes = await Array.fromAsync(client.sandboxes.list(filter));
  const value = flags.all ? sandboxes : sandboxes.filter(({ status }) => status !== "stopped");
  print(this.process.stdout, { json: flags.json, value, text: (rows) => formatTable(COLUMNS, rows) });
}

export async function info(this: Context, flags: CommonFlags, id: string): Promise<void> {
  const client = clientOf({ dataDir: flags.dataDir, env: this.process.env });
  const value = await client.sandboxes.get(id);
  print(this.process.stdout, { json: flags.json, value, text: describe });
}

export async function remove(this: Context, flags: CommonFlags, ...ids: string[]): Promise<void> {
  const client = clientOf({ dataDir: flags.dataDir, env: this.process.env });
  await removeEach(this, { names: ids, json: flags.json, remove: (name) => client.sandboxes.delete(name) });
}

/** Prints the address alone, fit for `$(…)`. */
export async function url(this: Context, flags: CommonFlags, id: string, port: number): Promise<void> {
  const client = clientOf({ dataDir: flags.dataDir, env: this.process.env });
  const value = await client.sandboxes.port(id, port);
  print(this.process.stdout, { json: flags.json, value, text: ({ url }) => `${url}\n` });
}

export async function ping(this: Context, flags: CommonFlags, id: string): Promise<void> {
  const client = clientOf({ dataDir: flags.dataDir, env: this.process.env });
  await client.sandboxes.ping(id);
  print(this.process.stdout, { json: flags.json, value: { pinged: id }, text: () => "" });
}

const COLUMNS: readonly Column<Sandbox>[] = [
  { title: "ID", value: ({ id }) => id },
  {
    title: "STATUS",
    value: ({ status, deleted_at }) => (deleted_at === undefined ? status : `${status} (deleted)`),
  },
  { title: "TEMPLATE", value: ({ template }) => template },
  { title: "VCPUS", value: ({ vcpus }) => vcpus },
  { title: "MEMORY", value: ({ memory_mb }) => `${memory_mb} MiB` },
  { title: "AGE", value: ({ created_at }) => age(created_at) },
  { title: "METADATA", value: ({ metadata }) => formatLabels(metadata) },
];

function describe(sandbox: Sandbox): string {
  const { metadata, ...fields } = sandbox;
  return formatFields({ ...fields, metadata: formatLabels(metadata) || undefined });
}

function formatLabels(metadata: Readonly<Record<string, string>>): string {
  return Object.entries(metadata)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}
