// What is done inside a lab, through its guest agent.
import { Readable } from "node:stream";
import { WrennError } from "@wrenn/core";
import { GuestClient } from "../../packages/host-agent/src/guest/client.ts";
import { type Captured, runCaptured } from "../../packages/host-agent/src/guest/exec.ts";
import type { LabRecord } from "../machine/record.ts";

export interface LabCommand {
  envs?: Record<string, string>;
  cwd?: string;
  stdin?: Uint8Array;
  /** Default: two minutes. */
  timeoutSec?: number;
}

const ENVIRONMENT = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  LANG: "C.UTF-8",
};

export class LabGuest implements Disposable {
  readonly client: GuestClient;
  readonly #token: string;

  constructor(record: Pick<LabRecord, "guestPort" | "token">) {
    this.#token = record.token;
    this.client = new GuestClient({ host: "127.0.0.1", port: record.guestPort, token: record.token });
  }

  /** Waits for the guest agent of a lab that was just started, and tells it its token and the time. */
  async awaken(signal: AbortSignal): Promise<void> {
    await this.client.waitUntilHealthy(signal);
    await this.client.init({ accessToken: this.#token, envVars: ENVIRONMENT, hostname: "lab" }, { signal });
  }

  /** Runs a command as root to its end, whatever that is. */
  attempt(argv: readonly [string, ...string[]], options: LabCommand = {}): Promise<Captured> {
    const { envs = {}, cwd = "", stdin, timeoutSec = 120 } = options;
    const [cmd, ...args] = argv;
    return runCaptured(
      this.client,
      { cmd, args, envs, cwd, user: "root", timeoutSec, requestId: undefined },
      { ...(stdin && { stdin }), signal: AbortSignal.timeout((timeoutSec + 30) * 1000) },
    );
  }

  /** Runs a command as root and returns what it printed. Throws with its complaint when it fails. */
  async run(argv: readonly [string, ...string[]], options: LabCommand = {}): Promise<string> {
    const result = await this.attempt(argv, options);
    if (result.exitCode === 0 && result.signal === "" && !result.timedOut) return result.stdout.toString();
    const how = result.timedOut ? "took too long" : result.signal || `exited with ${result.exitCode}`;
    const said = `${result.stdout}${result.stderr}`.trim().slice(-4000);
    throw new WrennError("internal", `in the lab: ${argv.join(" ")}: ${how}\n${said}`);
  }

  /** Writes a file of root's. */
  async write(path: string, content: Buffer): Promise<void> {
    const signal = AbortSignal.timeout(120_000);
    await this.client.writeFile(path, Readable.from([content]), { contentLength: content.length, signal });
  }

  [Symbol.dispose](): void {
    this.client.close();
  }
}
