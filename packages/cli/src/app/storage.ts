// What `wrenn storage` takes.
import { buildCommand } from "@stricli/core";
import type { CommonFlags } from "../commands/sandbox.ts";
import type { Context } from "../context.ts";
import { common } from "./flags.ts";

export const storage = buildCommand<CommonFlags, [], Context>({
  loader: () => import("../commands/storage.ts"),
  parameters: { flags: common },
  docs: {
    brief: "Show what is on disk, and what needs it",
    fullDescription: [
      "Show the images, snapshots and sandboxes that the hosts keep, the largest first, with the blocks that",
      "each takes and what needs it. Content goes when the last that needs it goes; what nothing needs is",
      "about to go. Needs an operator's key.",
    ].join("\n"),
  },
});
