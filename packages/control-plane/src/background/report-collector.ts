// Takes in what hosts did unasked (time-outs, crashes), and what failed there. Hosts repeat their reports until they are acknowledged.
import { type SandboxStatus, WrennError } from "@wrenn/core";
import type { Report } from "@wrenn/rpc/hostagent";
import type { Logger } from "pino";
import type { Db } from "../db/connect.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { noteEvent } from "../db/queries/sandbox-event.ts";
import { moveSandbox } from "../db/queries/sandbox-move.ts";
import type { HostDirectory } from "../hosts/directory.ts";
import type { Host } from "../hosts/host.ts";
import type { HostClient } from "../hosts/host-client.ts";

const CALL_TIMEOUT_MS = 10_000;
const CONTEXT = { attempted: "collecting reports", requestId: "reports", timeoutMs: CALL_TIMEOUT_MS };

/** The statuses that a host may report, each with where it may come from unasked. */
const REPORTED: Partial<Record<string, { to: SandboxStatus; from?: readonly SandboxStatus[] }>> = {
  stopped: { to: "stopped" },
  error: { to: "error" },
  // `pausing`: a pause that was asked for came too late.
  paused: { to: "paused", from: ["running", "pausing"] },
};

/** What may happen to a sandbox that goes on. */
const EVENTS: ReadonlySet<string> = new Set(["disk_full", "disk_error"]);

export class ReportCollector {
  readonly #db: Db;
  readonly #hosts: HostDirectory;
  readonly #log: Logger;
  readonly #collecting = new Map<string, Promise<void>>();

  constructor({ db, hosts, log }: { db: Db; hosts: HostDirectory; log: Logger }) {
    this.#db = db;
    this.#hosts = hosts;
    this.#log = log;
  }

  /** One round over all hosts. */
  async run(): Promise<void> {
    await Promise.all(this.#hosts.reachable().map((host) => this.collect(host)));
  }

  /** Collects from one host. Rounds at the same time are one. Failures are logged: the reports will be repeated. */
  collect(host: Host): Promise<void> {
    let round = this.#collecting.get(host.id);
    if (!round) {
      round = this.#collect(host)
        .catch((reason: unknown) => {
          const unreachable = reason instanceof WrennError && reason.code === "unavailable";
          this.#log[unreachable ? "debug" : "warn"](
            { host_id: host.id, err: reason },
            "could not collect reports",
          );
        })
        .finally(() => this.#collecting.delete(host.id));
      this.#collecting.set(host.id, round);
    }
    return round;
  }

  async #collect({ id: hostId, client }: Host): Promise<void> {
    const { reports } = await client.call("listReports", {}, CONTEXT);
    if (reports.length === 0) return;
    const isOutdated = await this.#outdatedPauses(hostId, client, reports);
    for (const report of reports) if (!isOutdated(report)) await this.#apply(hostId, report);
    // Only now: what was not applied is told again.
    await client.call("acknowledgeReports", { ids: reports.map((report) => report.id) }, CONTEXT);
  }

  /**
   * A report is repeated, and so may be older than a resume that came after it: the host's list tells.
   */
  async #outdatedPauses(
    hostId: string,
    client: HostClient,
    reports: readonly Report[],
  ): Promise<(report: Report) => boolean> {
    if (reports.every(({ status }) => status !== "paused")) return () => false;
    const { sandboxes } = await client.call("listSandboxes", {}, CONTEXT);
    const running = new Set(
      sandboxes.filter(({ status }) => status !== "paused").map(({ sandboxId }) => sandboxId),
    );
    return ({ status, sandboxId }) => {
      const outdated = status === "paused" && running.has(sandboxId);
      if (outdated)
        this.#log.debug({ sandbox_id: sandboxId, host_id: hostId }, "resumed since it was reported");
      return outdated;
    };
  }

  async #apply(hostId: string, report: Report): Promise<void> {
    if (report.event !== "") await this.#note(hostId, report);
    else await this.#move(hostId, report);
  }

  /** The sandbox goes on: its owner is told. */
  async #note(hostId: string, report: Report): Promise<void> {
    const { id, sandboxId, event, reason } = report;
    if (!EVENTS.has(event)) {
      this.#log.warn({ sandbox_id: sandboxId, host_id: hostId, event }, "a host reported an unknown event");
      return;
    }
    const at = new Date(Number(report.atUnixMs)).toISOString();
    const noted = await noteEvent(this.#db, {
      id: sandboxId,
      report: id,
      action: `sandbox.${event}`,
      reason,
      error: `${at}: ${reason}`,
    });
    if (noted)
      this.#log.info({ sandbox_id: sandboxId, host_id: hostId, event, reason }, "reported by its host");
  }

  async #move(hostId: string, { sandboxId: id, status, reason }: Report): Promise<void> {
    const move = REPORTED[status];
    if (!move) {
      this.#log.warn({ sandbox_id: id, host_id: hostId, status }, "a host reported a status that it cannot");
      return;
    }
    const moved = await moveSandbox(this.#db, {
      id,
      ...move,
      set: {
        ...(move.to !== "paused" && { error: reason }),
        ...(move.to === "paused" && { host_ip: null, expires_at: null }),
      },
    });
    if (!moved) return;
    this.#log.info({ sandbox_id: id, host_id: hostId, to: status, reason }, "reported by its host");
    await recordAudit(this.#db, { action: `sandbox.${status}`, subject: id, detail: { reason } });
  }
}
