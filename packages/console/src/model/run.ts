// A command that was started from the page: its output so far, and how it ended.
import {
  type ExecExit,
  type ExecResponse,
  type ExecStream,
  WrennApiError,
  type WrennClient,
} from "@wrenn/sdk";
import { bytes, took } from "../text/format.ts";
import { Transcript } from "../text/transcript.ts";
import type { ActivityLog } from "./activity.ts";

export interface Command {
  cmd: string;
  args: string[];
  cwd?: string;
  user?: string;
  timeout_sec?: number;
}

export interface RunOptions {
  client: WrennClient;
  log: ActivityLog;
  sandboxId: string;
  command: Command;
  /** As it was typed. */
  line: string;
  /** Called when there is something new to see. */
  changed: () => void;
}

export type RunState = "starting" | "running" | "ended" | "failed";

/** One run, streamed or captured. It starts when it is made. */
export class Run {
  readonly line: string;
  readonly sandboxId: string;
  readonly begunAt = Date.now();
  readonly transcript = new Transcript();
  readonly isStreamed: boolean;
  state: RunState = "starting";
  /** `exit 0`, `SIGKILL`, `timed out`, or why it failed. */
  result = "";
  /** Whether the command ended with 0. */
  succeeded = false;
  bytes = 0;
  endedAt: number | undefined;
  readonly #options: RunOptions;
  #stream: ExecStream | undefined;
  #isInputOpen = true;

  constructor(options: RunOptions, { isStreamed }: { isStreamed: boolean }) {
    this.#options = options;
    this.line = options.line;
    this.sandboxId = options.sandboxId;
    this.isStreamed = isStreamed;
    void (isStreamed ? this.#follow() : this.#capture());
  }

  get isOver(): boolean {
    return this.state === "ended" || this.state === "failed";
  }

  /** Whether something can be typed into it. */
  get takesInput(): boolean {
    return this.state === "running" && this.#stream !== undefined && this.#isInputOpen;
  }

  /** Milliseconds that it has taken so far, or in all. */
  get ms(): number {
    return (this.endedAt ?? Date.now()) - this.begunAt;
  }

  /** Kills the command and all that it started. */
  stop(): Promise<void> {
    return this.#tell((stream) => stream.stop());
  }

  interrupt(): Promise<void> {
    return this.#tell((stream) => stream.signal("SIGINT"));
  }

  type(text: string): Promise<void> {
    return this.#tell((stream) => stream.writeStdin(text));
  }

  async endInput(): Promise<void> {
    this.#isInputOpen = false;
    await this.#tell((stream) => stream.closeStdin());
    this.#options.changed();
  }

  async #follow(): Promise<void> {
    const { client, log, sandboxId, command } = this.#options;
    const path = `/v1/sandboxes/${sandboxId}/exec/stream`;
    const end = log.begin({ method: "WS", path, isRead: false });
    try {
      const stream = await client.sandboxes.execStream(sandboxId, command);
      this.#stream = stream;
      this.#move("running");
      for await (const { type, data } of stream) {
        this.bytes += data.length;
        this.transcript.write(type, data);
        this.#options.changed();
      }
      this.#finish(await stream.wait());
      const detail = `${this.result} · ${bytes(this.bytes)} · ${this.line}`;
      end({ ok: true, result: "closed", detail, ms: this.ms, requestId: undefined });
    } catch (error) {
      this.#fail(error);
      end({
        ok: false,
        result: "failed",
        detail: `${this.result} · ${this.line}`,
        ms: this.ms,
        requestId: undefined,
      });
    }
  }

  async #capture(): Promise<void> {
    const { client, sandboxId, command } = this.#options;
    try {
      this.#move("running");
      const answer = await client.sandboxes.exec(sandboxId, command);
      for (const source of ["stdout", "stderr"] as const) {
        const data = bytesOf(answer, source);
        this.bytes += data.length;
        this.transcript.write(source, data);
      }
      const { exit_code: exitCode, signal, timed_out: timedOut } = answer;
      this.#finish({ exitCode, ...(signal !== undefined && { signal }), ...(timedOut && { timedOut }) });
      if (answer.truncated) this.result += ", output cut";
      this.result += `, ${took(answer.duration_ms)} in the guest`;
      this.#options.changed();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #tell(message: (stream: ExecStream) => Promise<void>): Promise<void> {
    // A command that has just ended need not hear it.
    if (this.#stream && !this.isOver) await message(this.#stream).catch(() => undefined);
  }

  #move(state: RunState): void {
    this.state = state;
    if (this.isOver) this.endedAt = Date.now();
    this.#options.changed();
  }

  #finish({ exitCode, signal, timedOut }: ExecExit): void {
    this.succeeded = exitCode === 0;
    this.result = timedOut ? "timed out" : (signal ?? `exit ${exitCode}`);
    this.#move("ended");
  }

  #fail(error: unknown): void {
    const code = error instanceof WrennApiError ? `${error.code}: ` : "";
    this.result = code + (error instanceof Error ? error.message : String(error));
    this.#move("failed");
  }
}

function bytesOf(answer: ExecResponse, source: "stdout" | "stderr"): Uint8Array {
  if (answer.encoding === "utf-8") return new TextEncoder().encode(answer[source]);
  return Uint8Array.from(atob(answer[source]), (character) => character.charCodeAt(0));
}
