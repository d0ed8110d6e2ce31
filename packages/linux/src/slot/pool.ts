// Prepared slots, so that a sandbox need not wait for its network.
import { WrennError } from "@wrenn/core";
import { applySlotRules } from "../firewall/apply.ts";
import { assertEgress, type Egress } from "../firewall/egress.ts";
import { planSlot, SLOTS_PER_BLOCK, type SlotPlan } from "../plan/plan.ts";
import type { HostSide } from "../run/host-side.ts";
import { type CreateSlotOptions, createSlot, destroySlot } from "./slot.ts";

/** Slots made at the same time; the kernel serialises most of the work (RTNL). */
const CONCURRENT_PREPARATIONS = 2;

export interface SlotPoolOptions {
  block: number;
  /** Slots kept ready. Default: 4. */
  prepared?: number | undefined;
  /** Slots in use or ready at most. Default and upper bound: 254. */
  max?: number | undefined;
  /** Slots that are there already and in use: those of machines that are taken over. */
  inUse?: readonly number[] | undefined;
  /** IPv4 address of the resolver that guests may use. */
  dns?: string | undefined;
  host?: HostSide | undefined;
  /** Guest's side of a slot. Default: a tap. */
  device?: ((plan: SlotPlan) => CreateSlotOptions["device"]) | undefined;
  /** Told of what failed in the background. */
  onError?: ((error: unknown) => void) | undefined;
}

interface Waiter {
  resolve: (plan: SlotPlan) => void;
  reject: (reason: unknown) => void;
}

/**
 * Invariant: every slot index is in exactly one of `free`, `ready`, `inUse`, `stuck`, or is being made or
 * unmade. A slot given back is destroyed, so that no connection or rule of its last user survives
 * (conntrack lives in the namespace); its index then waits behind all others.
 */
export class SlotPool {
  readonly #options: SlotPoolOptions;
  readonly #free: number[];
  readonly #ready: SlotPlan[] = [];
  readonly #inUse = new Map<number, SlotPlan>();
  /** Given back, and could not be removed. */
  readonly #stuck = new Map<number, SlotPlan>();
  readonly #working = new Set<Promise<void>>();
  readonly #waiters: Waiter[] = [];
  readonly #closing = new AbortController();
  #making = 0;
  #unmaking = 0;

  /** Starts preparing. The block's network must be open ({@link openBlockNetwork}). */
  constructor(options: SlotPoolOptions) {
    this.#options = options;
    const max = Math.min(options.max ?? SLOTS_PER_BLOCK, SLOTS_PER_BLOCK);
    for (const slot of options.inUse ?? []) this.#inUse.set(slot, planSlot(options.block, slot));
    this.#free = Array.from({ length: max }, (_, slot) => slot).filter((slot) => !this.#inUse.has(slot));
    this.#fill();
  }

  /** How many slots are in use. */
  get used(): number {
    return this.#inUse.size;
  }

  /**
   * A slot for one user. Throws `capacity` when all are in use, what went wrong when it could not be
   * made, and the signal's reason when that fires first.
   */
  async acquire(signal?: AbortSignal): Promise<SlotPlan> {
    signal?.throwIfAborted();
    if (this.#closing.signal.aborted) throw closed();
    this.#tryStuckAgain();
    const ready = this.#ready.shift();
    if (ready) {
      this.#inUse.set(ready.slot, ready);
      this.#fill();
      return ready;
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        resolve: (plan) => {
          signal?.removeEventListener("abort", onAbort);
          resolve(plan);
        },
        reject: (reason) => {
          signal?.removeEventListener("abort", onAbort);
          reject(reason);
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiters.push(waiter);
      this.#fill();
    });
  }

  /** Replaces the owner's rules for where the guest of a slot in use goes; connections that it has stay. */
  async restrict(plan: SlotPlan, egress: Egress, signal?: AbortSignal): Promise<void> {
    assertEgress(egress);
    await applySlotRules({ plan, dns: this.#options.dns, mode: "enforce", egress }, signal);
  }

  /**
   * Takes a slot back; its processes must have ended. When it cannot be destroyed this throws, and its
   * index stays out of use until that works: a slot that is half there is no fresh one. It is tried again
   * whenever another one is taken or given back. Releasing twice does nothing.
   */
  async release(plan: SlotPlan): Promise<void> {
    if (!this.#inUse.delete(plan.slot)) return;
    await this.#unmake(plan);
    this.#tryStuckAgain();
  }

  /** {@link release} without waiting for it, once the machine has gone; what goes wrong is told to `onError`. */
  releaseSoon(plan: SlotPlan): void {
    this.release(plan).catch((error: unknown) => this.#options.onError?.(error));
  }

  /** Stops preparing and destroys every slot, those in use as well: end their processes first. */
  async close(): Promise<void> {
    this.#closing.abort(closed());
    for (const waiter of this.#waiters.splice(0)) waiter.reject(closed());
    await Promise.allSettled(this.#working);
    const left = [...this.#ready.splice(0), ...this.#inUse.values(), ...this.#stuck.values()];
    this.#inUse.clear();
    this.#stuck.clear();
    const failures: unknown[] = [];
    for (const plan of left) {
      await destroySlot(plan, this.#options.host).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw new AggregateError(failures, "not every slot could be removed");
  }

  /** Its index is free afterwards, or stuck when this throws. */
  async #unmake(plan: SlotPlan): Promise<void> {
    this.#unmaking++;
    try {
      await this.#track(destroySlot(plan, this.#options.host));
      this.#free.push(plan.slot);
    } catch (error) {
      this.#stuck.set(plan.slot, plan);
      throw error;
    } finally {
      this.#unmaking--;
      this.#fill();
    }
  }

  /** In the background: on a busy machine a command may take longer than it is given. */
  #tryStuckAgain(): void {
    for (const plan of [...this.#stuck.values()]) {
      this.#stuck.delete(plan.slot);
      this.#unmake(plan).catch((error: unknown) => this.#options.onError?.(error));
    }
  }

  /** Starts as many preparations as are wanted and possible; turns waiters away when none is. */
  #fill(): void {
    if (this.#closing.signal.aborted) return;
    const wanted = (this.#options.prepared ?? 4) + this.#waiters.length;
    while (this.#making < CONCURRENT_PREPARATIONS && this.#ready.length + this.#making < wanted) {
      const slot = this.#free.shift();
      if (slot === undefined) break;
      this.#making++;
      void this.#track(this.#prepare(slot));
    }
    if (this.#making + this.#unmaking === 0 && this.#free.length === 0) {
      for (const waiter of this.#waiters.splice(0)) waiter.reject(exhausted());
    }
  }

  /** Makes one slot for the oldest waiter, or to be ready. Never rejects. */
  async #prepare(slot: number): Promise<void> {
    const plan = planSlot(this.#options.block, slot);
    const { dns, host, device, onError } = this.#options;
    try {
      await createSlot(plan, { dns, host, device: device?.(plan), signal: this.#closing.signal });
    } catch (error) {
      this.#making--;
      this.#free.push(slot);
      if (this.#closing.signal.aborted) return;
      const waiter = this.#waiters.shift();
      if (waiter) waiter.reject(error);
      else onError?.(error);
      // Not filled up again at once: what failed for nobody would fail in a loop.
      if (this.#waiters.length > 0) this.#fill();
      return;
    }
    this.#making--;
    const waiter = this.#waiters.shift();
    if (waiter) {
      this.#inUse.set(slot, plan);
      waiter.resolve(plan);
    } else {
      this.#ready.push(plan);
    }
    this.#fill();
  }

  async #track(work: Promise<void>): Promise<void> {
    this.#working.add(work);
    try {
      await work;
    } finally {
      this.#working.delete(work);
    }
  }
}

function exhausted(): WrennError {
  return new WrennError("capacity", "every network slot of this host is in use; delete a sandbox", {
    retryAfterSec: 5,
  });
}

function closed(): WrennError {
  return new WrennError("unavailable", "the host agent is stopping");
}
