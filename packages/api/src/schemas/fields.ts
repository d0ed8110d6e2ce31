// The fields that several messages share, each with its bounds.
import { BOUNDS, LIMITS, NAME_PATTERN, SANDBOX_ID_PATTERN } from "@wrenn/core";
import { Type } from "typebox";

/** Text without NUL and without half a surrogate pair: what an argument vector or PostgreSQL can hold. */
export const TEXT_PATTERN = "^[^\\u0000\\ud800-\\udfff]*$";

/** An absolute path of Linux without `..` components. */
export const PATH_PATTERN = "^(?:/(?!\\.\\.(?:/|$))[^/\\u0000\\ud800-\\udfff]*)+$";

/** The longest single argument or variable that Linux's `execve` takes (MAX_ARG_STRLEN less the NUL). */
const ARGUMENT_CHARS = 131_071;

/** A variable's name: anything but `=` and NUL. */
const VARIABLE_PATTERN = "^[^=\\u0000\\ud800-\\udfff]{1,256}$";

export const SandboxId = (description = "Id of the sandbox.") =>
  Type.String({ pattern: SANDBOX_ID_PATTERN, description, examples: ["sb-k3v9q0x7m2p5a8zt"] });

export const Name = (description: string, example = "minimal") =>
  Type.String({ pattern: NAME_PATTERN, description, examples: [example] });

/** RFC 3339 with milliseconds, in UTC. */
export const Timestamp = (description: string) =>
  Type.String({ format: "date-time", description, examples: ["2026-11-23T20:15:30.125Z"] });

export const GuestPath = (description: string) =>
  Type.String({
    pattern: PATH_PATTERN,
    maxLength: LIMITS.pathBytes,
    description,
    examples: ["/home/user/data.csv"],
  });

export const Envs = (description: string) =>
  Type.Record(
    Type.String({ pattern: VARIABLE_PATTERN }),
    Type.String({ pattern: TEXT_PATTERN, maxLength: ARGUMENT_CHARS }),
    { additionalProperties: false, maxProperties: LIMITS.envs, description, examples: [{ LANG: "C.UTF-8" }] },
  );

export const Metadata = (description: string) =>
  Type.Record(
    Type.String({ pattern: "^[^\\u0000\\ud800-\\udfff]{1,256}$" }),
    Type.String({ pattern: TEXT_PATTERN, maxLength: LIMITS.metadataBytes }),
    {
      additionalProperties: false,
      description: `${description} At most ${LIMITS.metadataBytes} bytes as JSON.`,
      examples: [{ owner: "build-42" }],
    },
  );

export const Command = () =>
  Type.String({
    pattern: TEXT_PATTERN,
    minLength: 1,
    maxLength: LIMITS.pathBytes,
    description: "The program: a path, or a name that is looked up in the guest's PATH. No shell is implied.",
    examples: ["python3"],
  });

export const Arguments = () =>
  Type.Array(Type.String({ pattern: TEXT_PATTERN, maxLength: ARGUMENT_CHARS }), {
    maxItems: LIMITS.args,
    default: [],
    description: "Arguments of the program, passed on as they are.",
    examples: [["-c", "print(6*7)"]],
  });

export const User = () =>
  Type.String({
    pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$",
    description: "User to run as. Default: the template's user.",
    examples: ["user"],
  });

export const Vcpus = (description: string) =>
  Type.Integer({ minimum: BOUNDS.vcpus.min, maximum: BOUNDS.vcpus.max, description, examples: [1] });

export const MemoryMb = (description: string) =>
  Type.Integer({
    minimum: BOUNDS.memory_mb.min,
    maximum: BOUNDS.memory_mb.max,
    description,
    examples: [512],
  });

export const DiskMb = (description: string) =>
  Type.Integer({ minimum: BOUNDS.disk_mb.min, maximum: BOUNDS.disk_mb.max, description, examples: [10240] });

export const TimeoutSec = (description: string) =>
  Type.Integer({
    minimum: BOUNDS.timeout_sec.min,
    maximum: BOUNDS.timeout_sec.max,
    description,
    examples: [300],
  });

export const ExecTimeoutSec = (description: string) =>
  Type.Integer({
    minimum: BOUNDS.exec_timeout_sec.min,
    maximum: BOUNDS.exec_timeout_sec.max,
    description,
    examples: [30],
  });

/** Query parameters of a paged list. */
export const Limit = () =>
  Type.Integer({
    minimum: 1,
    maximum: LIMITS.listLimit,
    description: "Page size. Without it everything is returned at once.",
    examples: [50],
  });

export const NextToken = () =>
  Type.String({
    pattern: "^[A-Za-z0-9_-]{1,512}$",
    description: "Cursor of the next page, as given by the header `X-Next-Token` of the page before.",
    examples: ["c2ItazN2OXEweDdtMnA1YTh6dA"],
  });
