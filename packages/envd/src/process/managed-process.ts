// One process from its start to thirty seconds after its end.
import { create } from "@bufbuild/protobuf";
import { type ProcessConfig, type ProcessEvent, ProcessEventSchema } from "@wrenn/rpc/envd";
import type { OutputKind, SpawnedChild } from "../platform/spawn.ts";
import type { Subscription } from "../streams/subscription.ts";
import { endEvent } from "./exit-status.ts";
import { OutputHub } from "./output-hub.ts";
import { OutputPump } from "./output-pump.ts";
import { ProcessInput } from "./process-input.ts";
import { killTree, sendSignal, signalTree, type Tree } from "./tree.ts";

/**
 * Between the exit and the end of the streams, when something else still holds them open: time for a
 * helper that the command did not wait for (`> >(tee log)`) to write its last line.
 */
const GRACE_MS = 200;

/** `setTimeout` takes no more. */
const MAX_TIMER_MS = 0x7fff_ffff;

export interface ManagedProcessOptions {
  child: SpawnedChild;
  cgroup: string | undefined;
  config: ProcessConfig;
  tag: string | undefined;
  /** 0 = none. */
  timeoutMs: number;
  stallMs: number;
}

export class ManagedProcess {
  readonly pid: number;
  readonly config: ProcessConfig;
  readonly tag: string | undefined;
  readonly input: ProcessInput;
  /** Descriptor of its terminal, while it runs on one. */
  readonly master: number | undefined;
  readonly startEvent: ProcessEvent;
  readonly #tree: Tree;
  readonly #hub: OutputHub<ProcessEvent>;
  readonly #child: SpawnedChild;
  readonly #timeoutMs: number;
  #running = true;
  #timedOut = false;

  constructor({ child, cgroup, config, tag, timeoutMs, stallMs }: ManagedProcessOptions) {
    this.pid = child.pid;
    this.config = config;
    this.tag = tag;
    this.master = child.master;
    this.input = new ProcessInput(child.input, child.master !== undefined);
    this.startEvent = create(ProcessEventSchema, { event: { case: "start", value: { pid: child.pid } } });
    this.#child = child;
    this.#tree = { pid: child.pid, cgroup };
    this.#hub = new OutputHub(stallMs);
    this.#timeoutMs = Math.min(timeoutMs, MAX_TIMER_MS);
  }

  /** Whether the process itself still runs. */
  get running(): boolean {
    return this.#running;
  }

  get cgroup(): string | undefined {
    return this.#tree.cgroup;
  }

  /** Output from now on, then the end. */
  subscribe(): Subscription<ProcessEvent> {
    return this.#hub.subscribe();
  }

  /** Pumps output from start to end. Resolves after the end event. Call once. */
  async run(): Promise<void> {
    const pumps = this.#child.outputs.map(
      ({ kind, reader }) => new OutputPump(reader, (chunks) => this.#publish(kind, chunks), kind !== "pty"),
    );
    for (const pump of pumps) void pump.run();
    const timer = this.#timeoutMs > 0 ? setTimeout(() => this.#expire(), this.#timeoutMs) : undefined;
    const exit = await this.#child.exited;
    clearTimeout(timer);
    this.#running = false;
    this.input.dispose();
    const grace = setTimeout(() => {
      for (const pump of pumps) pump.hurry();
    }, GRACE_MS);
    await Promise.all(pumps.map((pump) => pump.finished));
    clearTimeout(grace);
    const value = endEvent(exit, this.#timedOut);
    this.#hub.end(create(ProcessEventSchema, { event: { case: "end", value } }));
  }

  /** Signals the process, or with `tree` all that it started too. */
  signal(signal: NodeJS.Signals, tree: boolean): void {
    if (!this.#running) return;
    if (tree) signalTree(this.#tree, signal);
    else sendSignal(this.pid, signal);
  }

  /** Kills the process and all that it started. */
  kill(): void {
    if (this.#running) killTree(this.#tree);
  }

  #expire(): void {
    this.#timedOut = true;
    this.kill();
  }

  #publish(kind: OutputKind, chunks: Uint8Array[]): Promise<void> {
    if (!this.#hub.watched) return Promise.resolve();
    return this.#hub.publish(
      chunks.map((bytes) => ({
        event: create(ProcessEventSchema, {
          event: { case: "data", value: { output: { case: kind, value: bytes as Uint8Array<ArrayBuffer> } } },
        }),
        bytes: bytes.length,
      })),
    );
  }
}
