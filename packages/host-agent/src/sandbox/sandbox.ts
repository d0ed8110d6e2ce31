// One sandbox in memory: its record, its lock, and what it holds while it runs.
import { assertTransition, type SandboxStatus, Scope } from "@wrenn/core";
import type { SlotPlan } from "@wrenn/linux";
import type { Machine } from "@wrenn/vmm";
import { Mutex } from "async-mutex";
import type { GuestClient } from "../guest/client.ts";
import { Activity } from "./activity.ts";
import type { SandboxRecord } from "./record.ts";

/** What exists only while a sandbox runs. */
export interface Running {
  machine: Machine;
  guest: GuestClient;
  slot: SlotPlan;
}

/**
 * Invariants: `running` is set exactly while the status is `running`; every change of status happens under `lock`;
 * everything taken for the sandbox is in `scope`, so that closing it frees the machine, the network and the disk.
 */
export class Sandbox {
  readonly lock = new Mutex();
  readonly activity: Activity;
  readonly envs: Record<string, string>;
  /** Aborted when the sandbox leaves `running`: ends the streams that are open on it. */
  readonly gone = new AbortController();
  /** Processes of the guest that run on a terminal: their input goes there. */
  readonly terminals = new Set<number>();
  scope = new Scope();
  running: Running | undefined;
  record: SandboxRecord;

  constructor(options: { record: SandboxRecord; envs: Record<string, string> }) {
    this.record = options.record;
    this.envs = options.envs;
    this.activity = new Activity();
  }

  get id(): string {
    return this.record.id;
  }

  get status(): SandboxStatus {
    return this.record.status;
  }

  /** When its time is up unless something moves it, in `ms` since the epoch; undefined for never. */
  get expiresAt(): number | undefined {
    const { ttlMode, timeoutSec, deadline } = this.record;
    return ttlMode === "deadline" ? (deadline ?? undefined) : this.activity.expiresAt(timeoutSec);
  }

  /** Whether its time is up. */
  get isExpired(): boolean {
    const { ttlMode, timeoutSec, deadline } = this.record;
    if (ttlMode === "deadline") return deadline !== null && deadline <= Date.now();
    return this.activity.isExpired(timeoutSec);
  }

  /** Moves to another status. Throws `invalid_state` when the state machine has no such transition. */
  become(status: SandboxStatus): void {
    assertTransition(this.id, this.record.status, status);
    this.record = { ...this.record, status };
  }
}
