// Logs of sandboxes: what E2B's clients ask for, and what they read.
import { type Static, Type } from "typebox";
import { Timestamp } from "../schemas/fields.ts";

const Level = (description: string) =>
  Type.Enum(["debug", "info", "warn", "error"], { type: "string", description, examples: ["info"] });

const Limit = () =>
  Type.Integer({ minimum: 0, maximum: 1000, description: "Most entries to return.", examples: [100] });

const Since = (description: string) =>
  Type.Integer({ minimum: 0, maximum: 2 ** 50, description, examples: [1_700_000_000_000] });

export const E2bLogsQuery = Type.Object(
  {
    cursor: Type.Optional(Since("Milliseconds since 1970: entries from there on, in the direction.")),
    limit: Type.Optional(Limit()),
    direction: Type.Optional(
      Type.Enum(["forward", "backward"], {
        type: "string",
        description: "Oldest or newest first.",
        examples: ["forward"],
      }),
    ),
    level: Type.Optional(Level("The least level.")),
    search: Type.Optional(
      Type.String({
        maxLength: 256,
        description: "Part of the message, as it is spelled.",
        examples: ["rpc"],
      }),
    ),
  },
  { examples: [{ limit: 100 }] },
);
export type E2bLogsQuery = Static<typeof E2bLogsQuery>;

export const E2bLogsV1Query = Type.Object(
  {
    start: Type.Optional(Since("Milliseconds since 1970: entries from there on.")),
    limit: Type.Optional(Limit()),
  },
  { examples: [{ limit: 100 }] },
);
export type E2bLogsV1Query = Static<typeof E2bLogsV1Query>;

export const E2bLogEntry = Type.Object(
  {
    timestamp: Timestamp("When."),
    level: Level("How bad."),
    message: Type.String({ description: "What." }),
    fields: Type.Record(Type.String(), Type.String(), {
      description: "More; `source` is `platform`, `agent` or `console`.",
    }),
  },
  { additionalProperties: false, description: "An entry of a sandbox's log." },
);
export type E2bLogEntry = Static<typeof E2bLogEntry>;

export const E2bLogs = Type.Object(
  { logs: Type.Array(E2bLogEntry, { description: "At most 1000 entries." }) },
  { additionalProperties: false, description: "A piece of a sandbox's log." },
);

export const E2bLogsV1 = Type.Object(
  {
    logs: Type.Array(
      Type.Object(
        { timestamp: Timestamp("When."), line: Type.String({ description: "What." }) },
        { additionalProperties: false, description: "A line." },
      ),
      { description: "The entries as lines." },
    ),
    logEntries: Type.Array(E2bLogEntry, { description: "At most 1000 entries." }),
  },
  { additionalProperties: false, description: "A piece of a sandbox's log." },
);
