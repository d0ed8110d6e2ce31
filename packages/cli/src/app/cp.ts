// What `wrenn cp` takes.
import { buildCommand } from "@stricli/core";
import type { CopyFlags } from "../commands/cp.ts";
import type { Context } from "../context.ts";
import { argument, common, flag } from "./flags.ts";

export const cp = buildCommand<CopyFlags, [source: string, target: string], Context>({
  loader: () => import("../commands/cp.ts"),
  parameters: {
    flags: {
      recursive: flag("Accepted for habit's sake: directories are copied as a whole anyway"),
      ...common,
    },
    aliases: { r: "recursive" },
    positional: {
      kind: "tuple",
      parameters: [
        argument("ID:/path, a local path, or - for stdin", "SOURCE"),
        argument("likewise; - is stdout", "TARGET"),
      ],
    },
  },
  docs: {
    brief: "Copy files and directories into and out of a sandbox",
    customUsage: [
      { input: "data.csv ID:/home/user/", brief: "into a directory" },
      { input: "ID:/home/user/out.png .", brief: "and back" },
      { input: "src ID:/home/user/src", brief: "a directory with all that is in it" },
      { input: "- ID:/tmp/dump < DUMP", brief: "from standard input" },
      { input: "ID:/var/log/dpkg.log - | tail", brief: "to standard output" },
    ],
    fullDescription:
      "A file appears whole under its name, or not at all. Directories need tar in the sandbox.",
  },
});
