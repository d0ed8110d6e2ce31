// Running a command and waiting for its result.
import { isUtf8 } from "node:buffer";
import type { ExecRequest, ExecResponse } from "@wrenn/api";
import { BOUNDS } from "@wrenn/core";
import type { ExecResponse as HostExecResponse } from "@wrenn/rpc/hostagent";
import type { SandboxRow } from "../db/schema.ts";
import { completeLength } from "../exec/utf8.ts";
import type { HostDirectory } from "../hosts/directory.ts";
import type { Activity } from "./activity.ts";
import type { Caller } from "./caller.ts";
import { notOnHost } from "./not-on-host.ts";
import { isStale } from "./recent-sandboxes.ts";

/** Time beyond the command's own time-out for killing it and bringing its output back. */
const SLACK_MS = 15_000;

export interface ExecContext {
  hosts: HostDirectory;
  activity: Activity;
  /** Told that a host knows better than the database what a sandbox is. */
  onStale: (hostId: string | null) => void;
}

export interface ExecResult {
  response: ExecResponse;
  /** The call to the host, and within it the host's call to the guest, in ms. */
  hostMs: number;
  guestMs: number;
}

/** Runs a command to its end. Goes on when the client hangs up: its time-out bounds it. */
export async function execInSandbox(
  { hosts, activity, onStale }: ExecContext,
  caller: Caller,
  row: SandboxRow,
  request: ExecRequest,
): Promise<ExecResult> {
  const timeoutSec = request.timeout_sec ?? BOUNDS.exec_timeout_sec.default;
  const started = performance.now();
  activity.note(row.id);
  try {
    const call = hosts.get(row.host_id).client.call(
      "exec",
      {
        sandboxId: row.id,
        cmd: request.cmd,
        args: request.args ?? [],
        timeoutSec,
        cwd: request.cwd ?? "",
        envs: request.envs ?? {},
        user: request.user ?? "",
        stdin: Buffer.from(request.stdin ?? ""),
      },
      {
        attempted: `running ${request.cmd} in sandbox ${row.id}`,
        requestId: caller.requestId,
        timeoutMs: timeoutSec * 1000 + SLACK_MS,
      },
    );
    const answer = await call.catch(notOnHost(row.id));
    const guestMs = Number(answer.guestMicros) / 1000;
    const response = toResponse(answer, { sandbox_id: row.id, cmd: request.cmd, duration_ms: guestMs });
    return { response, hostMs: performance.now() - started, guestMs };
  } catch (reason) {
    if (isStale(reason)) onStale(row.host_id);
    throw reason;
  } finally {
    activity.note(row.id);
  }
}

function toResponse(
  answer: HostExecResponse,
  known: Pick<ExecResponse, "sandbox_id" | "cmd" | "duration_ms">,
): ExecResponse {
  const { truncated, timedOut, signal } = answer;
  const stdout = whole(answer.stdout, truncated);
  const stderr = whole(answer.stderr, truncated);
  const encoding = isUtf8(stdout) && isUtf8(stderr) ? "utf-8" : "base64";
  const ended = timedOut || signal !== "";
  return {
    ...known,
    stdout: stdout.toString(encoding === "utf-8" ? "utf8" : "base64"),
    stderr: stderr.toString(encoding === "utf-8" ? "utf8" : "base64"),
    exit_code: ended ? null : answer.exitCode,
    encoding,
    ...(timedOut && { timed_out: true }),
    ...(signal !== "" && { signal }),
    ...(truncated && { truncated: true }),
  };
}

/** Cutting output at a bound may split its last character; the rest of it goes too. */
function whole(bytes: Uint8Array, truncated: boolean): Buffer {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return truncated ? buffer.subarray(0, completeLength(buffer)) : buffer;
}
