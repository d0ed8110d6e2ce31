// What commands do in the fake host: each name is a script of its own.
import { setTimeout as delay } from "node:timers/promises";
import { Code } from "@connectrpc/connect";
import type { SendExecInputRequest } from "@wrenn/rpc/hostagent";
import { hostError } from "./host-error.ts";

export function answerExec(cmd: string, args: string[], stdin: Uint8Array) {
  const text = (value: string) => Buffer.from(value);
  const common = { stderr: text(""), exitCode: 0, guestMicros: 1500n };
  switch (cmd) {
    case "echo":
      return { ...common, stdout: text(`${args.join(" ")}\n`) };
    case "cat":
      return { ...common, stdout: stdin };
    case "binary":
      return { ...common, stdout: Buffer.from([0xff, 0x00]), stderr: text("é") };
    case "cut":
      // The bound fell into the middle of a character.
      return { ...common, stdout: text("aé").subarray(0, 2), truncated: true };
    case "sleep":
      return { ...common, stdout: text("so far"), timedOut: true };
    case "killed":
      return { ...common, stdout: text(""), signal: "SIGKILL" };
    default:
      return { ...common, stdout: text(""), exitCode: Number(cmd) || 0 };
  }
}

/** `\\n` as a new line, as printf has it: a line that is typed holds none. */
function unescaped(text: string): Buffer {
  return Buffer.from(text.replaceAll("\\n", "\n"));
}

type Next = () => Promise<SendExecInputRequest["input"]>;

interface End {
  exitCode?: number;
  signal?: string;
  timedOut?: boolean;
}

const out = (value: Uint8Array) => ({ case: "data", value: { output: { case: "stdout", value } } }) as const;
const err = (value: Uint8Array) => ({ case: "data", value: { output: { case: "stderr", value } } }) as const;
const end = (value: End) => ({ case: "end", value }) as const;

export type StreamEvent = ReturnType<typeof out> | ReturnType<typeof err> | ReturnType<typeof end>;

export async function* streamScript(
  cmd: string,
  args: string[],
  next: Next,
): AsyncGenerator<StreamEvent, void> {
  switch (cmd) {
    case "split": {
      const bytes = Buffer.from("a€b");
      for (const byte of bytes) yield out(Buffer.of(byte));
      yield err(Buffer.from([0xe2, 0x82]));
      return yield end({ exitCode: 0 });
    }
    case "binary":
      yield out(Buffer.from([0xff, 0xfe]));
      return yield end({ exitCode: 3 });
    case "cat":
      for (;;) {
        const input = await next();
        if (input.case === "stdin") yield out(input.value);
        else if (input.case === "stdinClose") return yield end({ exitCode: 0 });
        else if (input.case === "signal") return yield end({ signal: input.value });
        else if (input.case === "stop") return yield end({ signal: "SIGKILL" });
        else if (input.case === "resize") yield out(Buffer.from(`${input.value.cols}x${input.value.rows}`));
      }
    case "flood": {
      const block = Buffer.alloc(64 * 1024, "x");
      for (let left = Number(args[0]); left > 0; left -= block.length) yield out(block);
      return yield end({ exitCode: 0 });
    }
    case "print":
      for (const text of args) yield out(unescaped(text));
      return yield end({ exitCode: 0 });
    case "warn":
      for (const text of args) yield err(unescaped(text));
      return yield end({ exitCode: 1 });
    case "idle":
      await next();
      return yield end({ exitCode: 0 });
    case "lost":
      yield out(Buffer.from("partial"));
      return;
    case "unreachable":
      throw hostError("guest_unreachable", Code.Unavailable, "the guest is gone");
    case "missing":
      throw hostError("command_not_found", Code.InvalidArgument, "no missing", "cmd");
    case "late":
      await delay(0);
      return yield end({ timedOut: true });
    default:
      return yield end({ exitCode: 0 });
  }
}
