// What a client sends to its process: input in order, and signals and sizes past input that nobody reads yet.
import type { ExecClientMessage, StreamStart } from "@wrenn/api";
import type { HostRpc } from "../hosts/host-client.ts";
import { InputLane, type InputLaneOptions } from "./input-lane.ts";

export type HostInput = Exclude<
  NonNullable<Parameters<HostRpc["sendExecInput"]>[0]["input"]>,
  { case: undefined; value?: undefined }
>;

export interface ProcessInputOptions extends InputLaneOptions {
  /** Brings one thing to the process; resolves when it is there. */
  send: (input: HostInput) => Promise<void>;
}

/**
 * Two lanes: what is typed waits for whoever reads it, a signal or a size only for those before it. What is typed after a
 * signal or a size reaches the process after it. Each lane is bounded.
 */
export class ProcessInput {
  readonly #send: ProcessInputOptions["send"];
  readonly #typed: InputLane;
  readonly #controls: InputLane;
  readonly #full = new Set<InputLane>();
  /** Settles when the last signal or size has reached the process; undefined when none is on its way. */
  #controlled: Promise<void> | undefined;
  readonly #onError: InputLaneOptions["onError"];
  #started = false;

  constructor({ send, pause, resume, onError }: ProcessInputOptions) {
    this.#send = send;
    this.#onError = onError;
    const lane = (): InputLane => {
      const made: InputLane = new InputLane({
        pause: () => {
          this.#full.add(made);
          pause();
        },
        resume: () => {
          if (this.#full.delete(made) && this.#full.size === 0) resume();
        },
        onError,
      });
      return made;
    };
    this.#typed = lane();
    this.#controls = lane();
  }

  /** The process is there. What came before it waits until then. */
  start(): void {
    this.#started = true;
    this.#controls.start();
    this.#typed.start();
  }

  push(message: Exclude<ExecClientMessage, StreamStart>): void {
    switch (message.type) {
      case "stdin": {
        const bytes = Buffer.from(message.data, "base64");
        this.#type({ case: "stdin", value: bytes }, bytes.length);
        break;
      }
      case "stdin_close":
        this.#type({ case: "stdinClose", value: true }, 0);
        break;
      case "signal":
        this.#control({ case: "signal", value: message.signal });
        break;
      case "resize":
        this.#control({ case: "resize", value: { cols: message.cols, rows: message.rows } });
        break;
      case "stop":
        this.#stop({ case: "stop", value: true });
        break;
    }
  }

  #type(input: HostInput, bytes: number): void {
    const before = this.#controlled;
    const deliver = async () => {
      if (before !== undefined) await before;
      await this.#send(input);
    };
    this.#typed.push({ bytes, deliver });
  }

  #control(input: HostInput): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#controlled = promise;
    const deliver = async () => {
      await this.#send(input);
      resolve();
      if (this.#controlled === promise) this.#controlled = undefined;
    };
    this.#controls.push({ bytes: 0, deliver });
  }

  /** Waits for nothing: whatever is under way may be what is to end. */
  #stop(input: HostInput): void {
    if (this.#started) this.#send(input).catch(this.#onError);
    else this.#control(input);
  }
}
