// What `wrenn key …` takes.
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { CreateKeyFlags } from "../commands/key.ts";
import type { CommonFlags } from "../commands/sandbox.ts";
import type { Context } from "../context.ts";
import { argument, common, optionalText } from "./flags.ts";

const load = () => import("../commands/key.ts");

const create = buildCommand<CreateKeyFlags, [name: string], Context>({
  loader: async () => (await load()).create,
  parameters: {
    flags: { owner: optionalText("Whose key it will be (the operator's to choose)", "NAME"), ...common },
    positional: { kind: "tuple", parameters: [argument("What the key is for", "NAME")] },
  },
  docs: {
    brief: "Make an API key and print its secret, this once",
    customUsage: [{ input: "ci", brief: "as in: export WRENN_API_KEY=$(wrenn key create ci)" }],
  },
});

const ls = buildCommand<CommonFlags, [], Context>({
  loader: async () => (await load()).list,
  parameters: { flags: common },
  docs: { brief: "List API keys" },
});

const revoke = buildCommand<CommonFlags, [id: string], Context>({
  loader: async () => (await load()).revoke,
  parameters: {
    flags: common,
    positional: { kind: "tuple", parameters: [argument("Id of the key, from key ls", "ID")] },
  },
  docs: { brief: "Make an API key stop working" },
});

export const key = buildRouteMap({
  routes: { create, ls, revoke },
  docs: { brief: "Make, list and revoke API keys" },
});
