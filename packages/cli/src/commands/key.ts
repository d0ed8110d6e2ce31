// `wrenn key …`: API keys.
import type { ApiKey } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { clientOf } from "../instance/target.ts";
import { print } from "../output/print.ts";
import { age, type Column, formatTable } from "../output/table.ts";
import { defined } from "../values.ts";
import type { CommonFlags } from "./sandbox.ts";

export interface CreateKeyFlags extends CommonFlags {
  readonly owner?: string;
}

/** The secret alone goes to stdout, fit for `KEY=$(wrenn key create ci)`. */
export async function create(this: Context, flags: CreateKeyFlags, name: string): Promise<void> {
  const client = clientOf({ dataDir: flags.dataDir, env: this.process.env });
  const request = defined({ name, owner: flags.owner }) as { name: string; owner?: string };
  const value = await client.keys.create(request);
  print(this.process.stdout, { json: flags.json, value, text: ({ key }) => `${key}\n` });
  if (!flags.json) this.process.stderr.write(`wrenn: made key ${value.id}; it is shown this once\n`);
}

export async function list(this: Context, flags: CommonFlags): Promise<void> {
  const client = clientOf({ dataDir: flags.dataDir, env: this.process.env });
  const value = await Array.fromAsync(client.keys.list());
  print(this.process.stdout, { json: flags.json, value, text: (rows) => formatTable(COLUMNS, rows) });
}

export async function revoke(this: Context, flags: CommonFlags, id: string): Promise<void> {
  const client = clientOf({ dataDir: flags.dataDir, env: this.process.env });
  await client.keys.revoke(id);
  print(this.process.stdout, { json: flags.json, value: { revoked: id }, text: () => "" });
}

const COLUMNS: readonly Column<ApiKey>[] = [
  { title: "ID", value: ({ id }) => id },
  { title: "NAME", value: ({ name }) => name },
  { title: "PREFIX", value: ({ prefix }) => prefix },
  { title: "AGE", value: ({ created_at }) => age(created_at) },
  { title: "LAST USED", value: ({ last_used_at }) => (last_used_at ? `${age(last_used_at)} ago` : "never") },
  { title: "STATUS", value: ({ revoked_at }) => (revoked_at ? "revoked" : "valid") },
];
