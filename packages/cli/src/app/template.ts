// What `wrenn template …` takes.
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { CommonFlags } from "../commands/sandbox.ts";
import type { BuildFlags } from "../commands/template.ts";
import type { Context } from "../context.ts";
import { argument, common, flag, optionalText } from "./flags.ts";

const load = () => import("../commands/template.ts");
const name = argument("Name of the template", "NAME");

const ls = buildCommand<CommonFlags, [], Context>({
  loader: async () => (await load()).list,
  parameters: { flags: common },
  docs: { brief: "List templates and snapshots" },
});

const build = buildCommand<BuildFlags, [name: string], Context>({
  loader: async () => (await load()).build,
  parameters: {
    flags: {
      recipe: optionalText("Recipe in YAML, or - for stdin (default: the built-in one of that name)", "FILE"),
      verbose: flag("Show the build's log"),
      ...common,
    },
    aliases: { f: "recipe", v: "verbose" },
    positional: { kind: "tuple", parameters: [name] },
  },
  docs: {
    brief: "Build a template and wait for it",
    customUsage: [
      { input: "minimal", brief: "from the built-in recipe" },
      { input: "mine --recipe mine.yaml", brief: "from one of your own" },
    ],
  },
});

const rm = buildCommand<CommonFlags, string[], Context>({
  loader: async () => (await load()).remove,
  parameters: { flags: common, positional: { kind: "array", parameter: name, minimum: 1 } },
  docs: { brief: "Delete templates or snapshots" },
});

export const template = buildRouteMap({
  routes: { ls, build, rm },
  docs: { brief: "List, build and delete templates" },
});
