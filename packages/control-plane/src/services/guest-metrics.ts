// What a guest uses now, as its agent measures it.

import type { IncomingMessage } from "node:http";
import { WrennError } from "@wrenn/core";
import { Ajv } from "ajv";
import type { SandboxRow } from "../db/schema.ts";
import type { HostDirectory } from "../hosts/directory.ts";
import { AGENT_PORT } from "../hosts/guest-agent.ts";
import { GuestTransport } from "../hosts/guest-transport.ts";
import { readBounded } from "../hosts/raw-files.ts";
import type { AccessService } from "./access.ts";
import type { Caller } from "./caller.ts";

const TIMEOUT_MS = 10_000;

/** Bytes, percent of all processors, unix seconds; the names are the protocol's. */
export interface GuestMetrics {
  ts: number;
  cpu_count: number;
  cpu_used_pct: number;
  mem_total: number;
  mem_used: number;
  mem_cache: number;
  disk_used: number;
  disk_total: number;
}

const FIELDS = [
  "ts",
  "cpu_count",
  "cpu_used_pct",
  "mem_total",
  "mem_used",
  "mem_cache",
  "disk_used",
  "disk_total",
];
const number = { type: "number", minimum: 0 };
const isMetrics = new Ajv().compile<GuestMetrics>({
  type: "object",
  required: FIELDS,
  properties: Object.fromEntries(FIELDS.map((field) => [field, number])),
});

export class GuestMetricsService {
  readonly #hosts: HostDirectory;
  readonly #access: AccessService;
  readonly #transport = new GuestTransport();

  constructor({ hosts, access }: { hosts: HostDirectory; access: AccessService }) {
    this.#hosts = hosts;
    this.#access = access;
  }

  /** Of a running sandbox. Throws `guest_unreachable` when its agent does not answer as it should. */
  async read(caller: Caller, row: SandboxRow): Promise<GuestMetrics> {
    const { token } = await this.#access.of(caller, row);
    const request = this.#transport.request({
      host: this.#hosts.get(row.host_id).client,
      sandboxId: row.id,
      port: AGENT_PORT,
      requestId: caller.requestId,
      method: "GET",
      target: "/metrics",
      headers: ["host", "sandbox", "x-access-token", token],
      reuse: false,
    });
    request.setTimeout(TIMEOUT_MS, () => request.destroy(new Error("no answer in time")));
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    request.once("response", resolve).on("error", reject).end();
    try {
      const metrics: unknown = JSON.parse(await readBounded(await promise));
      if (isMetrics(metrics)) return metrics;
      throw new Error("not what an agent measures");
    } catch (cause) {
      if (cause instanceof WrennError) throw cause;
      throw new WrennError("guest_unreachable", `the agent of sandbox ${row.id} did not tell its figures`, {
        cause,
      });
    }
  }
}
