// What `wrenn sandbox …` takes.
import { buildCommand, buildRouteMap, numberParser } from "@stricli/core";
import type { CommonFlags, CreateFlags, ListFlags } from "../commands/sandbox.ts";
import type { Context } from "../context.ts";
import { argument, common, flag, machine, optionalNumber, optionalText, repeated } from "./flags.ts";
import { fork, pause, restore, resume } from "./lifecycle.ts";

const load = () => import("../commands/sandbox.ts");
const id = argument("Id of the sandbox", "ID");

const create = buildCommand<CreateFlags, [], Context>({
  loader: async () => (await load()).create,
  parameters: {
    flags: {
      ...machine,
      timeout: optionalNumber(
        "Seconds without activity until --on-timeout; 0 = never (default 300)",
        "SECONDS",
      ),
      onTimeout: {
        kind: "enum",
        values: ["pause", "destroy"],
        brief: "What the time-out does (default: pause if the host can)",
        optional: true,
      },
      env: repeated("Environment variable of every process", "KEY=VALUE"),
      metadata: repeated("Label", "KEY=VALUE"),
      start: {
        kind: "enum",
        values: ["clone", "cold"],
        brief:
          "clone: from the template's saved memory; cold: boot the kernel (default: clone if there is one)",
        optional: true,
      },
      minIsolation: {
        kind: "enum",
        values: ["kvm", "tcg"],
        brief: "The weakest isolation that will do",
        optional: true,
      },
      ...common,
    },
    aliases: { e: "env" },
  },
  docs: {
    brief: "Make a sandbox and print its id",
    customUsage: [
      { input: "", brief: "one of the default kind" },
      { input: "--memory 1024 --timeout 0 --metadata owner=me", brief: "one that stays" },
      { input: "--template warm", brief: "from a snapshot, which fixes processors, memory and disk" },
      { input: "--timeout 600 --on-timeout pause", brief: "one that is saved when nobody uses it" },
    ],
  },
});

const ls = buildCommand<ListFlags, [], Context>({
  loader: async () => (await load()).list,
  parameters: {
    flags: {
      all: flag("Show those that ended or were deleted in the last 24 hours too"),
      template: optionalText("Only those of this template", "NAME"),
      metadata: repeated("Only those with this label", "KEY=VALUE"),
      ...common,
    },
    aliases: { a: "all" },
  },
  docs: { brief: "List sandboxes, newest first" },
});

const info = buildCommand<CommonFlags, [id: string], Context>({
  loader: async () => (await load()).info,
  parameters: { flags: common, positional: { kind: "tuple", parameters: [id] } },
  docs: { brief: "Show one sandbox" },
});

const rm = buildCommand<CommonFlags, string[], Context>({
  loader: async () => (await load()).remove,
  parameters: { flags: common, positional: { kind: "array", parameter: id, minimum: 1 } },
  docs: { brief: "Delete sandboxes" },
});

const url = buildCommand<CommonFlags, [id: string, port: number], Context>({
  loader: async () => (await load()).url,
  parameters: {
    flags: common,
    positional: {
      kind: "tuple",
      parameters: [
        { brief: "Id of the sandbox", parse: String, placeholder: "ID" },
        { brief: "TCP port inside the sandbox", parse: numberParser, placeholder: "PORT" },
      ],
    },
  },
  docs: { brief: "Print where a port of a sandbox is reached from outside" },
});

const ping = buildCommand<CommonFlags, [id: string], Context>({
  loader: async () => (await load()).ping,
  parameters: { flags: common, positional: { kind: "tuple", parameters: [id] } },
  docs: { brief: "Restart a sandbox's inactivity clock" },
});

export const sandbox = buildRouteMap({
  routes: { create, ls, info, rm, url, ping, pause, resume, fork, restore },
  docs: { brief: "Make, list, show, save, copy and delete sandboxes" },
});
