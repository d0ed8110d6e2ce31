// What `wrenn sandbox pause|resume|fork|restore` take.
import { buildCommand } from "@stricli/core";
import type { ForkFlags, ResumeFlags } from "../commands/lifecycle.ts";
import type { CommonFlags } from "../commands/sandbox.ts";
import type { Context } from "../context.ts";
import { argument, common, optionalNumber, repeated } from "./flags.ts";

const load = () => import("../commands/lifecycle.ts");
const id = argument("Id of the sandbox", "ID");

export const pause = buildCommand<CommonFlags, [id: string], Context>({
  loader: async () => (await load()).pause,
  parameters: { flags: common, positional: { kind: "tuple", parameters: [id] } },
  docs: {
    brief: "Save a sandbox to disk and free its memory",
    fullDescription: [
      "Save a running sandbox to disk, with its processes, memory and files, and free what it held of this",
      "machine. `wrenn sandbox resume` goes on where it was. If the disk is full it goes on running.",
    ].join("\n"),
  },
});

export const resume = buildCommand<ResumeFlags, [id: string], Context>({
  loader: async () => (await load()).resume,
  parameters: {
    flags: {
      start: {
        kind: "enum",
        values: ["cold"],
        brief: "cold: boot from the saved disk and give the saved memory up",
        optional: true,
      },
      ...common,
    },
    positional: { kind: "tuple", parameters: [id] },
  },
  docs: {
    brief: "Continue a sandbox that is paused, or that ended unasked",
    customUsage: [
      { input: "ID", brief: "processes go on; the time-out counts anew" },
      {
        input: "--start cold ID",
        brief: "from its disk: saved memory does not fit or is damaged, or the machine died",
      },
    ],
  },
});

export const fork = buildCommand<ForkFlags, [id: string], Context>({
  loader: async () => (await load()).fork,
  parameters: {
    flags: {
      count: optionalNumber("How many copies, 1 to 64 (default 1)"),
      metadata: repeated("Label of the copies (default: those of the source)", "KEY=VALUE"),
      ...common,
    },
    aliases: { n: "count" },
    positional: { kind: "tuple", parameters: [id] },
  },
  docs: {
    brief: "Copy a running sandbox and print the copies' ids",
    customUsage: [
      { input: "ID", brief: "one copy" },
      { input: "-n 8 ID", brief: "eight, or none if there is no room for all" },
    ],
    fullDescription: [
      "Copy a running sandbox, with its processes, memory and files, and print the copies' ids, one a line.",
      "The source goes on running. Each copy has an id, an address, a clock and random numbers of its own.",
    ].join("\n"),
  },
});

export const restore = buildCommand<CommonFlags, [id: string, snapshot: string], Context>({
  loader: async () => (await load()).restore,
  parameters: {
    flags: common,
    positional: { kind: "tuple", parameters: [id, argument("Snapshot, from snapshot ls", "SNAPSHOT")] },
  },
  docs: {
    brief: "Roll a sandbox back to a snapshot, in place",
    fullDescription: [
      "Give a running or paused sandbox the memory and disk of a snapshot of the same size; it runs",
      "afterwards. What happened in it since the snapshot is gone.",
    ].join("\n"),
  },
});
