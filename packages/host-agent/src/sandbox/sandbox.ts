// One sandbox in memory: its record, its lock, and what it holds while it runs.
import { isDeepStrictEqual } from "node:util";
import { assertTransition, type SandboxStatus, type Scope, WrennError } from "@wrenn/core";
import type { SlotPlan } from "@wrenn/linux";
import type { Machine } from "@wrenn/vmm";
import { Mutex } from "async-mutex";
import type { GuestClient } from "../guest/client.ts";
import { Activity } from "./activity.ts";
import { type LifeRecord, type SandboxRecord, writeRecord } from "./record.ts";

/** What exists only while a sandbox runs. */
export interface Running {
  machine: Machine;
  guest: GuestClient;
  slot: SlotPlan;
  /** Directory of the life: the only one that the VMM may write. */
  dir: string;
  /** Gives its promise of memory back, once: the scope does so too. For when its process has ended. */
  freeCapacity: () => void;
  /** Everything taken for this life; closing it frees machine, network and shared memory. */
  scope: Scope;
}

/**
 * Invariants: `running` is set while there is a machine that may answer; every change of status happens under `lock`; the
 * record on disk is never behind what is really there by more than what the next agent can find out.
 */
export class Sandbox {
  readonly lock = new Mutex();
  readonly activity = new Activity();
  /** Aborted when the sandbox is to end, whatever it is doing. */
  readonly gone = new AbortController();
  /** Aborted when the machine leaves `running`: ends the streams that are open on it. */
  left = new AbortController();
  /** Processes of the guest that run on a terminal: their input goes there. */
  readonly terminals = new Set<number>();
  running: Running | undefined;
  record: SandboxRecord;
  /** Why it is in `error`. */
  failure = "";
  /** Why its machine has died, while that cannot be recorded yet. */
  deadOf: string | undefined;
  /** One of these is on disk, oldest first: the last one that was written, and those whose writing failed since. */
  #onDisk: SandboxRecord[];

  constructor(record: SandboxRecord) {
    this.record = record;
    this.#onDisk = [record];
  }

  /**
   * What it is, and what the next agent may find that it is: content that any of these names has to stay. A record is
   * changed in memory first, and what is on disk says something else for as long as it cannot be written.
   */
  get claims(): SandboxRecord[] {
    return [...new Set([...this.#onDisk, this.record])];
  }

  /** Whether the next agent finds the disk as it is now, whichever record it reads: its layers, and the tops on them. */
  get isDiskOnRecord(): boolean {
    const disk = ({ layers, life, kept }: SandboxRecord) => (life ? [layers, life.tops] : [layers, kept]);
    return this.#onDisk.every((record) => isDeepStrictEqual(disk(record), disk(this.record)));
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

  /** The life that is under way. Throws when there is none: a mistake of the caller's. */
  get life(): LifeRecord {
    if (!this.record.life) throw new Error(`sandbox ${this.id} has no life under way`);
    return this.record.life;
  }

  /** Moves to another status. Throws `invalid_state` when the state machine has no such transition. */
  become(status: SandboxStatus): void {
    assertTransition(this.id, this.record.status, status);
    this.record = { ...this.record, status };
  }

  /** Changes the record in memory and then on disk. */
  async update(dataDir: string, change: Partial<SandboxRecord>): Promise<void> {
    if (change.status !== undefined && change.status !== this.record.status) {
      assertTransition(this.id, this.record.status, change.status);
    }
    this.record = { ...this.record, ...change };
    await this.write(dataDir);
  }

  /** Brings the record to the disk. A failure leaves the one that was there, or this one: both are among the claims. */
  async write(dataDir: string): Promise<void> {
    const { record } = this;
    this.#onDisk = [...this.#onDisk.filter((earlier) => !namesTheSame(earlier, record)), record];
    await writeRecord(dataDir, record);
    this.#onDisk = this.#onDisk.slice(this.#onDisk.indexOf(record));
  }

  /** The same for its life. */
  async updateLife(dataDir: string, change: Partial<LifeRecord>): Promise<void> {
    await this.update(dataDir, { life: { ...this.life, ...change } });
  }
}

/** What a sandbox runs on. Throws `invalid_state` unless it is running. */
export function runningOf(sandbox: Sandbox, operation: string): Running {
  if (sandbox.status !== "running" || !sandbox.running) {
    throw new WrennError(
      "invalid_state",
      `sandbox ${sandbox.id} is ${sandbox.status}; ${operation} needs a running one`,
    );
  }
  return sandbox.running;
}

/** Whether both need the same content. */
function namesTheSame(one: SandboxRecord, other: SandboxRecord): boolean {
  const content = ({ snapshot, layers, life }: SandboxRecord) => [snapshot, layers, life?.base, life?.guest];
  return isDeepStrictEqual(content(one), content(other));
}
