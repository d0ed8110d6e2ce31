// Running a command and waiting for its result; and the ticket for browsers' streams.
import { BOUNDS, LIMITS } from "@wrenn/core";
import { type Static, Type } from "typebox";
import {
  Arguments,
  Command,
  Envs,
  ExecTimeoutSec,
  GuestPath,
  SandboxId,
  TEXT_PATTERN,
  Timestamp,
  User,
} from "./fields.ts";

export const ExecRequest = Type.Object(
  {
    cmd: Command(),
    args: Type.Optional(Arguments()),
    timeout_sec: Type.Optional(
      Type.Integer({
        ...ExecTimeoutSec("Seconds after which the whole process group is killed."),
        default: BOUNDS.exec_timeout_sec.default,
      }),
    ),
    cwd: Type.Optional(GuestPath("Directory to run in. Default: the user's home.")),
    envs: Type.Optional(Envs("Environment variables on top of the sandbox's own.")),
    user: Type.Optional(User()),
    stdin: Type.Optional(
      Type.String({
        pattern: "^[^\\ud800-\\udfff]*$",
        maxLength: LIMITS.jsonBodyBytes,
        description: "Text for standard input, which is closed behind it. For more, use the stream.",
        examples: ["1\n2\n"],
      }),
    ),
  },
  {
    $id: "ExecRequest",
    additionalProperties: false,
    description: "The command and its surroundings.",
    examples: [{ cmd: "python3", args: ["-c", "print(6*7)"] }],
  },
);
export type ExecRequest = Static<typeof ExecRequest>;

export const ExecResponse = Type.Object(
  {
    sandbox_id: SandboxId(),
    cmd: Type.String({ pattern: TEXT_PATTERN, description: "The program that was run." }),
    stdout: Type.String({ description: "Standard output, in `encoding`." }),
    stderr: Type.String({ description: "Standard error, in `encoding`." }),
    exit_code: Type.Union([Type.Integer({ minimum: 0, maximum: 255 }), Type.Null()], {
      description: "Exit code; null when the command was killed by a signal or the time-out.",
    }),
    duration_ms: Type.Number({ minimum: 0, description: "From start to end of the command, in ms." }),
    encoding: Type.Enum(["utf-8", "base64"], {
      type: "string",
      description: "Of both streams: `base64` when either is not valid UTF-8.",
    }),
    timed_out: Type.Optional(
      Type.Boolean({ description: "The time-out killed it; the output up to then is here." }),
    ),
    signal: Type.Optional(Type.String({ description: "The signal that killed it.", examples: ["SIGKILL"] })),
    truncated: Type.Optional(
      Type.Boolean({
        description: `A stream was cut at ${LIMITS.captureBytes} bytes. The command went on to its end.`,
      }),
    ),
  },
  {
    $id: "ExecResponse",
    additionalProperties: false,
    description: "What the command printed and how it ended.",
    examples: [
      {
        sandbox_id: "sb-k3v9q0x7m2p5a8zt",
        cmd: "python3",
        stdout: "42\n",
        stderr: "",
        exit_code: 0,
        duration_ms: 61.4,
        encoding: "utf-8",
      },
      {
        sandbox_id: "sb-k3v9q0x7m2p5a8zt",
        cmd: "sleep",
        stdout: "",
        stderr: "",
        exit_code: null,
        duration_ms: 30004,
        encoding: "utf-8",
        timed_out: true,
      },
    ],
  },
);
export type ExecResponse = Static<typeof ExecResponse>;

const TICKET_PATTERN = "^[A-Za-z0-9_-]{16,128}$";

export const ExecTicket = Type.Object(
  {
    ticket: Type.String({
      pattern: TICKET_PATTERN,
      description: "For one use as `?ticket=` of the exec stream.",
    }),
    expires_at: Timestamp("When it stops working: 30 seconds after it was made."),
  },
  {
    $id: "ExecTicket",
    additionalProperties: false,
    description: "Lets a browser, which cannot set headers on a WebSocket, open one stream.",
    examples: [{ ticket: "Zk3q9XW0m2p5A8zt_B7c-d1E", expires_at: "2026-11-23T20:16:00.125Z" }],
  },
);
export type ExecTicket = Static<typeof ExecTicket>;

export const ExecStreamQuery = Type.Object(
  {
    ticket: Type.Optional(
      Type.String({
        pattern: TICKET_PATTERN,
        description: "A ticket in place of the `X-API-Key` header.",
        examples: ["Zk3q9XW0m2p5A8zt_B7c-d1E"],
      }),
    ),
  },
  { additionalProperties: false, examples: [{}] },
);
export type ExecStreamQuery = Static<typeof ExecStreamQuery>;
