// The messages of the streaming exec: text frames of JSON, `type` says which one.
import { ERROR_CODES, type ErrorCode, LIMITS } from "@wrenn/core";
import { type Static, Type } from "typebox";
import { Arguments, Command, Envs, ExecTimeoutSec, GuestPath, User } from "./fields.ts";

/** The signals that can be sent, by name. */
export const SIGNALS = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGKILL",
  "SIGUSR1",
  "SIGUSR2",
  "SIGPIPE",
  "SIGALRM",
  "SIGTERM",
  "SIGCONT",
  "SIGSTOP",
  "SIGTSTP",
  "SIGWINCH",
] as const;
export type Signal = (typeof SIGNALS)[number];

const closed = { additionalProperties: false } as const;

const Cells = (description: string, example: number) =>
  Type.Integer({ minimum: 1, maximum: 4096, description, examples: [example] });

const size = {
  cols: Cells("Width in characters.", 80),
  rows: Cells("Height in lines.", 24),
};

export const StreamStart = Type.Object(
  {
    type: Type.Literal("start", { description: "The first message; exactly one." }),
    cmd: Command(),
    args: Type.Optional(Arguments()),
    cwd: Type.Optional(GuestPath("Directory to run in. Default: the user's home.")),
    envs: Type.Optional(Envs("Environment variables on top of the sandbox's own.")),
    user: Type.Optional(User()),
    timeout_sec: Type.Optional(
      ExecTimeoutSec("Seconds after which the whole process group is killed. Default: none."),
    ),
    pty: Type.Optional(
      Type.Object(size, {
        ...closed,
        description: "Give the command a terminal of this size; stdout and stderr then are one stream.",
        examples: [{ cols: 80, rows: 24 }],
      }),
    ),
  },
  {
    ...closed,
    description: "Starts the command.",
    examples: [{ type: "start", cmd: "tail", args: ["-f", "/x"] }],
  },
);
export type StreamStart = Static<typeof StreamStart>;

const StreamStdin = Type.Object(
  {
    type: Type.Literal("stdin", { description: "Bytes for standard input." }),
    data: Type.String({
      contentEncoding: "base64",
      pattern: "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
      maxLength: LIMITS.jsonBodyBytes,
      description: "The bytes in base64.",
      examples: ["aGVsbG8K"],
    }),
  },
  { ...closed, description: "Input for the command.", examples: [{ type: "stdin", data: "aGVsbG8K" }] },
);

const StreamStdinClose = Type.Object(
  { type: Type.Literal("stdin_close", { description: "End of standard input." }) },
  { ...closed, description: "Closes standard input.", examples: [{ type: "stdin_close" }] },
);

const StreamSignal = Type.Object(
  {
    type: Type.Literal("signal", { description: "Send a signal." }),
    signal: Type.Enum([...SIGNALS], { type: "string", description: "Its name.", examples: ["SIGTERM"] }),
  },
  {
    ...closed,
    description: "Sends a signal to the command.",
    examples: [{ type: "signal", signal: "SIGTERM" }],
  },
);

const StreamResize = Type.Object(
  { type: Type.Literal("resize", { description: "The terminal has a new size." }), ...size },
  {
    ...closed,
    description: "Resizes the terminal.",
    examples: [{ type: "resize", cols: 120, rows: 40 }],
  },
);

const StreamStop = Type.Object(
  { type: Type.Literal("stop", { description: "Kill the whole process group." }) },
  { ...closed, description: "Stops the command.", examples: [{ type: "stop" }] },
);

export const ExecClientMessage = Type.Union(
  [StreamStart, StreamStdin, StreamStdinClose, StreamSignal, StreamResize, StreamStop],
  {
    $id: "ExecClientMessage",
    description: "What a client sends on the exec stream. `start` comes first.",
    examples: [{ type: "start", cmd: "tail", args: ["-f", "/x"] }],
  },
);
export type ExecClientMessage = Static<typeof ExecClientMessage>;

const StreamStarted = Type.Object(
  {
    type: Type.Literal("start", { description: "The command runs." }),
    pid: Type.Integer({ minimum: 1, description: "Its process id in the guest." }),
  },
  { ...closed, description: "The command has been started.", examples: [{ type: "start", pid: 217 }] },
);

const output = <const N extends "stdout" | "stderr">(name: N) =>
  Type.Object(
    {
      type: Type.Literal(name, { description: `A piece of ${name}.` }),
      data: Type.String({ description: "The piece, in `encoding`." }),
      encoding: Type.Optional(
        Type.Enum(["utf-8", "base64"], {
          type: "string",
          description: "`base64` for bytes that are not UTF-8. Default: `utf-8`.",
        }),
      ),
    },
    {
      ...closed,
      description: `What the command wrote to ${name}.`,
      examples: [{ type: name, data: "42\n" }],
    },
  );

const StreamExit = Type.Object(
  {
    type: Type.Literal("exit", { description: "The command has ended; the last message." }),
    exit_code: Type.Union([Type.Integer({ minimum: 0, maximum: 255 }), Type.Null()], {
      description: "Exit code; null after a signal or a time-out.",
    }),
    signal: Type.Optional(Type.String({ description: "The signal that killed it.", examples: ["SIGTERM"] })),
    timed_out: Type.Optional(Type.Boolean({ description: "The time-out killed it." })),
  },
  { ...closed, description: "How the command ended.", examples: [{ type: "exit", exit_code: 0 }] },
);

const StreamError = Type.Object(
  {
    type: Type.Literal("error", { description: "The stream failed; the last message." }),
    data: Type.String({ description: "What went wrong, for people." }),
    code: Type.Optional(
      Type.Enum(Object.keys(ERROR_CODES) as ErrorCode[], {
        type: "string",
        description: "What went wrong, for programs.",
        examples: ["command_not_found"],
      }),
    ),
    field: Type.Optional(Type.String({ description: "The field of the client's message that is wrong." })),
  },
  {
    ...closed,
    description: "Why there is no exit code. How the command ended is unknown.",
    examples: [{ type: "error", data: "the connection to the guest was lost", code: "guest_unreachable" }],
  },
);

export const ExecServerMessage = Type.Union(
  [StreamStarted, output("stdout"), output("stderr"), StreamExit, StreamError],
  {
    $id: "ExecServerMessage",
    description: "What the server sends on the exec stream. `exit` or `error` comes last.",
    examples: [{ type: "stdout", data: "42\n" }],
  },
);
export type ExecServerMessage = Static<typeof ExecServerMessage>;
