// `wrenn storage`: what the hosts keep on disk, and what needs it.
import type { Storage } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { clientOf } from "../instance/target.ts";
import { print } from "../output/print.ts";
import { type Column, formatTable, size } from "../output/table.ts";
import type { CommonFlags } from "./sandbox.ts";

type Host = Storage["hosts"][number];
type Entry = Host["entries"][number];

/** Hashes are told apart by their first digits. */
const SHOWN_ID = 40;

export default async function storage(this: Context, flags: CommonFlags): Promise<void> {
  const client = clientOf({ dataDir: flags.dataDir, env: this.process.env });
  const value = await client.storage();
  const text = () => value.hosts.map(describeHost).join("\n");
  print(this.process.stdout, { json: flags.json, value, text });
}

function describeHost({ host_id, entries, free_bytes, total_bytes }: Host): string {
  const sorted = entries.toSorted((a, b) => b.size_bytes - a.size_bytes);
  const used = entries.reduce((sum, { size_bytes }) => sum + size_bytes, 0);
  const summary = `host ${host_id}: ${size(used)} in use, ${size(free_bytes)} of ${size(total_bytes)} free\n`;
  const isNamed = entries.some(({ name }) => name !== undefined);
  return summary + formatTable(isNamed ? [...COLUMNS, NAME] : COLUMNS, sorted);
}

const COLUMNS: readonly Column<Entry>[] = [
  { title: "KIND", value: ({ kind }) => kind },
  { title: "ID", value: ({ id }) => (id.length > SHOWN_ID ? `${id.slice(0, 12)}…` : id) },
  { title: "SIZE", value: ({ size_bytes }) => size(size_bytes) },
  { title: "USED BY", value: ({ used_by }) => (used_by.length === 0 ? "nothing" : used_by.join(", ")) },
];

const NAME: Column<Entry> = { title: "NAME", value: ({ name = "" }) => name };
