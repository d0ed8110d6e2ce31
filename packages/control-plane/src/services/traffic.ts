// Who may send what to the ports of a sandbox, and waking it for them.
import { createHash, timingSafeEqual } from "node:crypto";
import { isSandboxId, WrennError } from "@wrenn/core";
import type { Db } from "../db/connect.ts";
import { findSandboxById } from "../db/queries/sandbox-find.ts";
import type { SandboxRow } from "../db/schema.ts";
import type { InFlight } from "./in-flight.ts";
import type { SandboxService } from "./sandboxes.ts";

/** A sandbox that traffic wakes has at least this long, seconds: a request that wakes it should find it running. */
const MIN_WAKE_SEC = 300;

export interface TrafficOptions {
  db: Db;
  sandboxes: SandboxService;
  inFlight: InFlight;
}

export class TrafficService {
  readonly #options: TrafficOptions;
  readonly #waking = new Map<string, Promise<SandboxRow>>();

  constructor(options: TrafficOptions) {
    this.#options = options;
  }

  /**
   * The sandbox of that id, running; a paused one is resumed first where its creator wanted that. Throws
   * `not_found` when it does not run, and `invalid_state` while another process moves it.
   */
  async running(id: string, requestId: string): Promise<SandboxRow> {
    let row = await this.#find(id);
    if (row.auto_resume && (row.status === "pausing" || row.status === "resuming")) {
      await this.#options.inFlight.ended(id);
      row = await this.#find(id);
      if (row.status === "pausing" || row.status === "resuming") {
        throw new WrennError("invalid_state", `sandbox ${id} is ${row.status}; try again`);
      }
    }
    if (row.auto_resume && row.status === "paused") row = await this.#wake(row, requestId);
    if (row.status !== "running") throw notThere(id);
    return row;
  }

  /** Throws `forbidden` when the sandbox wants a token that the request does not show. */
  assertToken({ id, traffic_token }: SandboxRow, shown: string | undefined): void {
    if (traffic_token === null || (shown !== undefined && isSame(shown, traffic_token))) return;
    throw new WrennError("forbidden", `traffic to sandbox ${id} needs its e2b-traffic-access-token`);
  }

  async #find(id: string): Promise<SandboxRow> {
    const row = isSandboxId(id) ? await findSandboxById(this.#options.db, id) : undefined;
    if (!row) throw notThere(id);
    return row;
  }

  /** Requests that come at the same time share one resume. */
  async #wake(row: SandboxRow, requestId: string): Promise<SandboxRow> {
    const { id, owner } = row;
    let waking = this.#waking.get(id);
    if (!waking) {
      const timeoutSec = row.timeout_sec === 0 ? 0 : Math.max(row.timeout_sec, MIN_WAKE_SEC);
      const caller = { owner, operator: false, keyId: "", requestId };
      waking = this.#options.sandboxes
        .resume(caller, row, { timeoutSec })
        .finally(() => this.#waking.delete(id));
      this.#waking.set(id, waking);
    }
    return await waking;
  }
}

function notThere(id: string): WrennError {
  return new WrennError("not_found", `sandbox ${id} does not run`);
}

/** In the same time, however much of it is right. */
function isSame(shown: string, token: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(shown), digest(token));
}
