// Figures for Prometheus.
import { SANDBOX_STATUSES } from "@wrenn/core";
import { collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Db } from "../db/connect.ts";
import { countByStatus } from "../db/queries/sandbox-find.ts";

/** From the fastest exec to a long create. */
const SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120];

/** Observations that wait at most: a request does not pay for those before it. */
const MAX_WAITING = 1_000;

export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Histogram<"route" | "method" | "status">;
  readonly #hostCalls: Histogram<"method" | "outcome">;
  readonly #streams: Gauge;
  /** Counted when somebody asks: an answer is not to wait for its own figures. */
  #waiting: (() => void)[] = [];

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry, prefix: "wrenn_" });
    this.#requests = new Histogram({
      name: "wrenn_http_request_seconds",
      help: "Time from a request's head to the end of its answer.",
      labelNames: ["route", "method", "status"],
      buckets: SECONDS,
      registers,
    });
    this.#hostCalls = new Histogram({
      name: "wrenn_host_call_seconds",
      help: "Time of calls to host agents.",
      labelNames: ["method", "outcome"],
      buckets: SECONDS,
      registers,
    });
    this.#streams = new Gauge({ name: "wrenn_exec_streams", help: "Open exec streams.", registers });
  }

  /** Adds a gauge that counts the sandboxes whenever the figures are asked for. */
  countSandboxes(db: Db): void {
    const gauge = new Gauge({
      name: "wrenn_sandboxes",
      help: "Sandboxes by status.",
      labelNames: ["status"],
      registers: [this.#registry],
      collect: async () => {
        for (const status of SANDBOX_STATUSES) gauge.set({ status }, 0);
        for (const { status, count } of await countByStatus(db)) gauge.set({ status }, count);
      },
    });
  }

  request(labels: { route: string; method: string; status: number }, seconds: number): void {
    this.#later(() => this.#requests.observe(labels, seconds));
  }

  hostCall(method: string, seconds: number, outcome: string): void {
    this.#later(() => this.#hostCalls.observe({ method, outcome }, seconds));
  }

  streams(open: number): void {
    this.#streams.set(open);
  }

  text(): Promise<string> {
    this.#count();
    return this.#registry.metrics();
  }

  #later(observe: () => void): void {
    this.#waiting.push(observe);
    if (this.#waiting.length === MAX_WAITING) setImmediate(() => this.#count());
  }

  #count(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const observe of waiting) observe();
  }
}
