// One piece of code on its way: waiting for its turn, running, over.
import type { WrennError } from "@wrenn/core";
import { Subscription } from "../streams/subscription.ts";

/** Said last, always. */
const END = line({ type: "end_of_execution" });

/** Said while it is quiet. */
const KEEPALIVE = line({ type: "keepalive" });

export class Execution {
  readonly id: number;
  readonly code: string;
  readonly envs: Readonly<Record<string, string>>;
  /** What its caller gets: lines with their ends. */
  readonly output: Subscription<Uint8Array>;
  state: "waiting" | "running" | "over" = "waiting";
  readonly #stallMs: number;

  constructor(id: number, code: string, envs: Readonly<Record<string, string>>, stallMs: number) {
    this.id = id;
    this.code = code;
    this.envs = envs;
    this.#stallMs = stallMs;
    this.output = new Subscription(() => {});
  }

  /** Passes a line of results on; resolves when the caller has room for more. Lines for one who has gone are dropped. */
  add(bytes: Uint8Array): Promise<void> | undefined {
    const event = Buffer.concat([bytes, NEWLINE]);
    this.output.offer({ event, bytes: event.length });
    return this.output.room(this.#stallMs);
  }

  /** A line in the place of results that will not come. */
  fail(name: string, value: string): void {
    this.output.offer({
      event: line({ type: "error", name, value, traceback: `${name}: ${value}` }),
      bytes: 0,
    });
  }

  keepAlive(): void {
    if (this.output.idle) this.output.offer({ event: KEEPALIVE, bytes: 0 });
  }

  end(): void {
    this.state = "over";
    this.output.end(END);
  }

  /** The caller's part is over, and the code goes on: the guest is to be frozen, or has been copied. */
  detach(reason: WrennError): void {
    this.fail("Disconnected", reason.message);
    this.output.end(END);
  }
}

const NEWLINE = Buffer.from("\n");

function line(message: object): Uint8Array {
  return Buffer.from(`${JSON.stringify(message)}\n`);
}
