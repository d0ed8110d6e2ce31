// What `wrenn exec` takes.
import { buildCommand } from "@stricli/core";
import type { ExecFlags } from "../commands/exec.ts";
import type { Context } from "../context.ts";
import { argument, common, optionalText, remote, remoteAliases } from "./flags.ts";

export const exec = buildCommand<ExecFlags, [id: string], Context>({
  loader: () => import("../commands/exec.ts"),
  parameters: {
    flags: { ...remote, cwd: optionalText("Directory to run in", "PATH"), ...common },
    aliases: { ...remoteAliases, w: "cwd" },
    positional: { kind: "tuple", parameters: [argument("Id of the sandbox", "ID")] },
  },
  docs: {
    brief: "Run a command in a sandbox",
    customUsage: [
      { input: "ID -- CMD ARGS…", brief: "run it, pass its output and exit status on" },
      { input: "-it ID -- bash", brief: "a shell to look around in" },
      { input: "-i ID -- tar -xf - < ARCHIVE", brief: "standard input goes in with -i" },
      { input: "ID -- sh -c 'ls | wc -l'", brief: "no shell is implied; ask for one" },
    ],
    fullDescription: [
      "Exit status: the command's; 128 + N if signal N killed it; 127 if it was not found; 124 if it timed",
      "out; 125 if the platform failed. Ctrl-C goes to the command; the second one ends it.",
    ].join("\n"),
  },
});
