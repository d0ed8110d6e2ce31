// What `wrenn run` takes.
import { buildCommand } from "@stricli/core";
import type { RunFlags } from "../commands/run.ts";
import type { Context } from "../context.ts";
import { common, machine, optionalText, remote, remoteAliases } from "./flags.ts";

export const run = buildCommand<RunFlags, [], Context>({
  loader: () => import("../commands/run.ts"),
  parameters: {
    flags: { ...machine, ...remote, workdir: optionalText("Directory to run in", "PATH"), ...common },
    aliases: { ...remoteAliases, w: "workdir" },
  },
  docs: {
    brief: "Run a command in a new sandbox, and delete the sandbox",
    customUsage: [
      { input: "-- CMD ARGS…", brief: "run it, pass its output and exit status on" },
      { input: '-- python3 -c "print(6*7)"', brief: "prints 42" },
      { input: "-it -- bash", brief: "a shell to look around in" },
      { input: "-i -- sha256sum < FILE", brief: "standard input goes in with -i" },
      { input: "--memory 2048 --vcpus 2 -e CI -- make", brief: "more of everything, and $CI" },
    ],
    fullDescription: [
      "Uses the service at WRENN_URL, or the platform of the data directory. If none runs, it is started",
      "(which needs root) and stopped again. A missing template is built first. Progress goes to stderr.",
      "",
      "Exit status: the command's; 128 + N if signal N killed it; 127 if it was not found; 124 if it timed",
      "out; 125 if the platform failed. Ctrl-C goes to the command; the second one ends it.",
    ].join("\n"),
  },
});
