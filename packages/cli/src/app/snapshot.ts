// What `wrenn snapshot …` takes.
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { CommonFlags } from "../commands/sandbox.ts";
import type { CreateSnapshotFlags, ListSnapshotsFlags } from "../commands/snapshot.ts";
import type { Context } from "../context.ts";
import { argument, common, flag } from "./flags.ts";

const load = () => import("../commands/snapshot.ts");

const create = buildCommand<CreateSnapshotFlags, [id: string, name?: string], Context>({
  loader: async () => (await load()).create,
  parameters: {
    flags: {
      overwrite: flag("Replace a snapshot of that name; what was made from the old one keeps it"),
      leave: {
        kind: "enum",
        values: ["running", "paused"],
        brief: "What a running sandbox does afterwards (default: running)",
        optional: true,
      },
      ...common,
    },
    positional: {
      kind: "tuple",
      parameters: [
        argument("Id of a running or paused sandbox", "ID"),
        { ...argument("Name of the snapshot (default: template- and 8 hex digits)", "NAME"), optional: true },
      ],
    },
  },
  docs: {
    brief: "Keep a sandbox's memory and disk under a name, and print the name",
    customUsage: [
      { input: "ID warm", brief: "then: sandbox create --template warm, or sandbox restore ID warm" },
      { input: "--overwrite ID warm", brief: "a newer state under the same name" },
    ],
  },
});

const ls = buildCommand<ListSnapshotsFlags, [], Context>({
  loader: async () => (await load()).list,
  parameters: {
    flags: { all: flag("Show base templates too"), ...common },
    aliases: { a: "all" },
  },
  docs: { brief: "List your snapshots, newest first" },
});

const rm = buildCommand<CommonFlags, string[], Context>({
  loader: async () => (await load()).remove,
  parameters: {
    flags: common,
    positional: { kind: "array", parameter: argument("Name of the snapshot", "NAME"), minimum: 1 },
  },
  docs: { brief: "Delete snapshots; sandboxes made from them live on" },
});

export const snapshot = buildRouteMap({
  routes: { create, ls, rm },
  docs: { brief: "Keep states of sandboxes under names" },
});
