// The flags that several commands share.
import type { TypedFlagParameter } from "@stricli/core";
import { wholeNumber } from "../values.ts";

const text = (value: string) => value;

export const json = {
  kind: "boolean",
  brief: "Print JSON",
  default: false,
  withNegated: false,
} as const;

export const optionalText = (brief: string, placeholder: string) =>
  ({ kind: "parsed", parse: text, brief, placeholder, optional: true }) as const;

export const optionalNumber = (brief: string, placeholder = "N") =>
  ({ kind: "parsed", parse: wholeNumber, brief, placeholder, optional: true }) as const;

export const repeated = (brief: string, placeholder: string) =>
  ({ kind: "parsed", parse: text, brief, placeholder, optional: true, variadic: true }) as const;

export const common = {
  json,
  dataDir: optionalText("Data directory of the platform (default: WRENN_DATA_DIR or /var/lib/wrenn)", "DIR"),
} as const;

const off = (brief: string) => ({ kind: "boolean", brief, default: false, withNegated: false }) as const;
export const flag: (brief: string) => TypedFlagParameter<boolean> = off;

export const template = {
  kind: "parsed",
  parse: text,
  brief: "Template or snapshot to start from",
  placeholder: "NAME",
  default: "minimal",
} as const;

/** What the machine of a new sandbox is like. */
export const machine = {
  template,
  vcpus: optionalNumber("Virtual CPUs, 1 to 8 (default 1)"),
  memory: optionalNumber("Memory in MiB, 128 to 8192 (default 512)", "MIB"),
  disk: optionalNumber("Disk in MiB, sparse, 1024 to 65536 (default 10240)", "MIB"),
} as const;

/** How a command in a sandbox is run. */
export const remote = {
  interactive: flag("Pass standard input on to the command"),
  tty: flag("Give the command a terminal"),
  env: repeated("Environment variable; a name alone takes its value from here", "KEY=VALUE"),
  user: optionalText("User to run as", "NAME"),
  timeout: optionalNumber("Kill the command after this many seconds; the exit status then is 124", "SECONDS"),
} as const;

export const remoteAliases = { i: "interactive", t: "tty", e: "env", u: "user" } as const;

export const argument = (brief: string, placeholder: string) =>
  ({ brief, placeholder, parse: text }) as const;
