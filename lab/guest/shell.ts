// A terminal in the lab.

import { runStreamed, sendInput } from "../../packages/host-agent/src/guest/exec.ts";
import type { LabRecord } from "../machine/record.ts";
import { LabGuest } from "./lab-guest.ts";

/** Connects this process's terminal to a command in the lab. Returns its exit status. */
export async function shellInLab(lab: LabRecord, argv: readonly string[]): Promise<number> {
  const { stdin, stdout } = process;
  using guest = new LabGuest(lab);
  const [cmd = "bash", ...args] = argv;
  const size = () => ({ cols: stdout.columns || 80, rows: stdout.rows || 24 });
  const command = { cmd, args, envs: { TERM: process.env["TERM"] ?? "xterm" }, cwd: "/root" };
  const events = runStreamed(
    guest.client,
    { ...command, user: "root", timeoutSec: 0, requestId: undefined },
    { stdin: true, ...(stdin.isTTY && { pty: size() }), signal: new AbortController().signal },
  );
  try {
    for await (const event of events) {
      if (event.type === "start") attach(guest, event.pid, size);
      else if (event.type === "stdout") stdout.write(event.data);
      else if (event.type === "stderr") process.stderr.write(event.data);
      else return event.signal === "" ? event.exitCode : 1;
    }
    return 1;
  } finally {
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.destroy();
  }
}

function attach(guest: LabGuest, pid: number, size: () => { cols: number; rows: number }): void {
  const { stdin, stdout } = process;
  const kind = stdin.isTTY ? "pty" : "stdin";
  // Input for a command that has just ended goes nowhere.
  let last: Promise<unknown> = Promise.resolve();
  const send = (input: Parameters<typeof sendInput>[2]) => {
    last = last.then(() => sendInput(guest.client, pid, input)).catch(() => undefined);
  };
  if (stdin.isTTY) stdin.setRawMode(true);
  stdin.on("data", (value: Buffer) => send({ case: kind, value }));
  stdin.on("end", () => send({ case: "stdinClose" }));
  if (stdin.isTTY) stdout.on("resize", () => send({ case: "resize", value: size() }));
}
