// The machines of the fake host: what each call does to them, at once, and what it refuses.
import { Code } from "@connectrpc/connect";
import type { ListSamplesRequest } from "@wrenn/rpc/hostagent";
import { hostError } from "./host-error.ts";

export interface FakeSandbox {
  status: string;
  template: string;
  hostIp?: string;
  error?: string;
  vcpus?: number;
  memoryMb?: number;
  /** Of its time limit; an end only with `deadline`. */
  ttlMode?: string;
  timeoutSec?: number;
  expiresAt?: number;
  diskMb?: number;
  /** Milliseconds; just now when left out. */
  createdAt?: number;
}

export class FakeSandboxes {
  readonly all = new Map<string, FakeSandbox>();
  readonly templates = new Set(["minimal"]);
  /** Contents of snapshots by store name. */
  readonly snapshots = new Map<string, { vcpus: number; memoryMb: number; createdAt?: number }>();
  /** Saved memory is of no use here: why. */
  incompatible: string | undefined;
  /** What that is called. */
  refusal: "snapshot_incompatible" | "snapshot_damaged" = "snapshot_incompatible";
  /** The token of every guest, where it is not one made of its id. */
  token: string | undefined;
  /** What guests have printed on their consoles. */
  readonly printed = new Map<string, string>();
  /** What they have used, and when (milliseconds). */
  readonly sampled = new Map<string, { at: number; memUsed: number }[]>();
  #addresses = 0;

  create(request: {
    sandboxId: string;
    template: string;
    vcpus: number;
    memoryMb: number;
    onTimeout: string;
    timeoutSec: number;
    ttlMode: string;
  }) {
    const { sandboxId, template, vcpus, memoryMb, ttlMode, timeoutSec } = request;
    this.#assertTemplate(template, "template");
    const sandbox = {
      status: "running",
      template,
      vcpus,
      memoryMb,
      hostIp: "10.11.0.1",
      ttlMode,
      timeoutSec,
    };
    this.all.set(sandboxId, sandbox);
    return {
      sandboxId,
      status: "running",
      hostIp: "10.11.0.1",
      guestIp: "169.254.0.21",
      onTimeout: request.onTimeout || "destroy",
      expiresAtUnixMs: this.#startClock(sandbox, timeoutSec),
    };
  }

  destroy(sandboxId: string) {
    this.all.delete(sandboxId);
    return {};
  }

  pause(sandboxId: string) {
    const sandbox = this.#in(sandboxId, ["running"]);
    sandbox.status = "paused";
    delete sandbox.hostIp;
    return { phaseMicros: { freeze: 1500n, save: 20_000n } };
  }

  resume({ sandboxId, start, timeoutSec }: { sandboxId: string; start: string; timeoutSec: number }) {
    const sandbox = this.#in(sandboxId, ["paused", "stopped"]);
    if (start !== "cold") this.#assertCompatible();
    return { ...this.#run(sandboxId, sandbox), expiresAtUnixMs: this.#startClock(sandbox, timeoutSec) };
  }

  fork({ sandboxId, forkIds }: { sandboxId: string; forkIds: string[] }) {
    const source = this.#in(sandboxId, ["running"]);
    for (const id of forkIds) this.all.set(id, { ...source, hostIp: this.#address() });
    const forks = forkIds.map((id) => ({
      sandboxId: id,
      hostIp: this.all.get(id)?.hostIp ?? "",
      guestIp: "169.254.0.21",
    }));
    return { forks, stoppedMicros: 12_345n };
  }

  restore({ sandboxId, snapshot }: { sandboxId: string; snapshot: string }) {
    const sandbox = this.#in(sandboxId, ["running", "paused"]);
    this.#assertTemplate(snapshot, "template");
    this.#assertCompatible();
    const { timeoutSec = 0 } = sandbox;
    return { ...this.#run(sandboxId, sandbox), expiresAtUnixMs: this.#startClock(sandbox, timeoutSec) };
  }

  snapshot({ sandboxId, name, leave }: { sandboxId: string; name: string; leave: string }) {
    const sandbox = this.#in(sandboxId, ["running", "paused"]);
    const { vcpus = 1, memoryMb = 512 } = sandbox;
    this.snapshots.set(name, { vcpus, memoryMb });
    if (leave === "paused" && sandbox.status === "running") this.pause(sandboxId);
    return { name, sizeBytes: 8192n, vcpus, memoryMb, status: sandbox.status };
  }

  deleteSnapshot(name: string) {
    if (!this.snapshots.delete(name)) throw hostError("not_found", Code.NotFound, `no snapshot ${name}`);
    return {};
  }

  snapshotInfos() {
    return [...this.snapshots].map(([name, { vcpus, memoryMb, createdAt }]) => ({
      name,
      type: "snapshot",
      vcpus,
      memoryMb,
      sizeBytes: 8192n,
      createdAtUnix: inSeconds(createdAt),
    }));
  }

  storage() {
    const snapshots = [...this.snapshots.keys()].map((name) => ({
      kind: "snapshot",
      id: name,
      name,
      sizeBytes: 8192n,
      usedBy: [`template ${name}`],
    }));
    const image = { kind: "image", id: "0".repeat(64), name: "minimal", sizeBytes: 4096n };
    return {
      entries: [{ ...image, usedBy: ["template minimal"] }, ...snapshots],
      freeBytes: 1n << 40n,
      totalBytes: 1n << 41n,
    };
  }

  setTimeout(request: { sandboxId: string; timeoutSec: number; extendOnly: boolean }) {
    const { sandboxId, timeoutSec, extendOnly } = request;
    const sandbox = this.#in(sandboxId, ["running"]);
    const before = BigInt(sandbox.expiresAt ?? 0);
    const moves = !extendOnly || (sandbox.ttlMode === "deadline" && Date.now() + timeoutSec * 1000 > before);
    if (moves) sandbox.ttlMode = "deadline";
    const expiresAtUnixMs = moves ? this.#startClock(sandbox, timeoutSec) : before;
    return { expiresAtUnixMs, timeoutSec: sandbox.timeoutSec ?? 0, ttlMode: sandbox.ttlMode ?? "" };
  }

  access(sandboxId: string) {
    if (!this.all.has(sandboxId)) throw hostError("not_found", Code.NotFound, `no sandbox ${sandboxId}`);
    return { accessToken: this.token ?? `token of ${sandboxId}`, envdVersion: "0.6.4" };
  }

  console(sandboxId: string) {
    if (!this.all.has(sandboxId)) throw hostError("not_found", Code.NotFound, `no sandbox ${sandboxId}`);
    return { text: this.printed.get(sandboxId) ?? "", beganAtUnixMs: BigInt(Date.now()) };
  }

  samplesOf({ sandboxId, fromUnixMs, toUnixMs }: ListSamplesRequest) {
    if (!this.all.has(sandboxId)) throw hostError("not_found", Code.NotFound, `no sandbox ${sandboxId}`);
    const samples = this.sampled.get(sandboxId) ?? [];
    const within = ({ at }: { at: number }) => at >= fromUnixMs && (toUnixMs === 0n || at <= toUnixMs);
    return {
      samples: samples.filter(within).map(({ at, memUsed }) => ({
        atUnixMs: BigInt(at),
        cpus: 1,
        cpuUsedPct: 12.5,
        memTotal: 2n ** 29n,
        memUsed: BigInt(memUsed),
      })),
    };
  }

  #startClock(sandbox: FakeSandbox, timeoutSec: number): bigint {
    sandbox.timeoutSec = timeoutSec;
    if (sandbox.ttlMode !== "deadline") return 0n;
    sandbox.expiresAt = Date.now() + timeoutSec * 1000;
    return BigInt(sandbox.expiresAt);
  }

  assertRunning(sandboxId: string): void {
    this.#in(sandboxId, ["running"]);
  }

  #run(sandboxId: string, sandbox: FakeSandbox) {
    sandbox.status = "running";
    sandbox.hostIp = this.#address();
    return { sandboxId, status: "running", hostIp: sandbox.hostIp };
  }

  #address(): string {
    this.#addresses += 1;
    return `10.11.1.${this.#addresses % 250}`;
  }

  #in(id: string, statuses: readonly string[]): FakeSandbox {
    const sandbox = this.all.get(id);
    if (!sandbox) throw hostError("not_found", Code.NotFound, `no sandbox ${id} on this host`);
    if (!statuses.includes(sandbox.status)) {
      throw hostError("invalid_state", Code.FailedPrecondition, `sandbox ${id} is ${sandbox.status}`);
    }
    return sandbox;
  }

  #assertTemplate(name: string, field: string): void {
    if (this.templates.has(name) || this.snapshots.has(name)) return;
    throw hostError("not_found", Code.NotFound, `no template ${name}`, field);
  }

  #assertCompatible(): void {
    if (this.incompatible === undefined) return;
    throw hostError(this.refusal, Code.FailedPrecondition, this.incompatible);
  }
}

/** A time as hosts say it; just now when there is none. */
export function inSeconds(at = Date.now()): bigint {
  return BigInt(Math.floor(at / 1000));
}
