// Starting a machine from a snapshot, with its memory in one of two ways: shared with others until it writes, or its own
// and arriving while it runs.
import { type Scope, WrennError } from "@wrenn/core";
import { difference, livePages, type Snapshot } from "@wrenn/snapshot";
import { type Machine, type MachineSpec, PAGE_BYTES } from "@wrenn/vmm";
import type { Logger } from "pino";
import type { HostContext } from "../sandbox/context.ts";
import { chooseMemory } from "./choose-memory.ts";
import { fillFrom } from "./fill.ts";

export interface SavedStart {
  context: HostContext;
  spec: MachineSpec;
  snapshot: Snapshot;
  /** The snapshot whose memory image would be shared. */
  base: string;
  /** Holds what the machine needs for as long as it runs. */
  scope: Scope;
  log: Logger;
}

/**
 * The machine stands still. Where the way was this host's own choice and fails, the other one is tried. Throws
 * `snapshot_damaged` when anything that the machine was given is not what was saved.
 */
export async function startSaved(start: SavedStart): Promise<Machine> {
  const { context, log, spec, snapshot } = start;
  await context.snapshots.written.assertDevices(snapshot.id);
  const { setting, works } = context.lazyMemory;
  // Where a machine has an image of its own (Firecracker's), nothing is to be copied into it: left alone it shares that one.
  const mayFill = setting === "auto" && works && context.vmm.fillsMemory;
  const fillBytes = mayFill ? await bytesToFill(start) : 0;
  if (chooseMemory({ setting, lazyWorks: works, fillBytes }) === "shared") return await startShared(start);
  try {
    return await startLazy(start);
  } catch (err) {
    if (setting !== "auto" || isDamage(err)) throw err;
    log.warn(
      { err, sandbox_id: spec.id },
      "its memory could not arrive while it runs; sharing an image instead",
    );
    return await startShared(start);
  }
}

async function startShared({ context, spec, snapshot, base, scope }: SavedStart): Promise<Machine> {
  const image = await scope.take(
    "memory image",
    () => context.memory.acquire(base),
    (held) => held.release(),
  );
  return await context.vmm.restore(
    { ...spec, memory: { kind: "image", fd: image.fd } },
    {
      devicesPath: snapshot.devicesPath,
      ...(base === snapshot.id
        ? {}
        : { fillMemory: fillFrom(context.snapshots, { base, snapshot: snapshot.id }) }),
    },
  );
}

async function startLazy({ context, spec, snapshot, base, scope }: SavedStart): Promise<Machine> {
  const { snapshots, storage, lazyMemory } = context;
  // Until all has arrived: the sandbox's own generation may be another one by then.
  const release = storage.hold(snapshot.id);
  scope.defer("pages that have yet to arrive", release);
  try {
    const map = await snapshots.map(snapshot.id);
    const workingSet = await lazyMemory.workingSets.of(base, map.pages);
    const pages = await snapshots.lazyPages(snapshot.id, workingSet);
    const machine = await whileChecking(
      (signal) => snapshots.written.assertPages(map.builds, signal),
      () =>
        context.vmm.restore(
          { ...spec, memory: { kind: "lazy", pages } },
          { devicesPath: snapshot.devicesPath },
        ),
    );
    machine.arrival?.complete.then(release, release);
    return machine;
  } catch (reason) {
    // Another way may be tried, and that machine lives long.
    release();
    throw reason;
  }
}

/** A page that has not arrived when its guest runs cannot be refused any more: all of them are read while the machine starts. */
async function whileChecking(
  check: (signal: AbortSignal) => Promise<void>,
  restore: () => Promise<Machine>,
): Promise<Machine> {
  const over = new AbortController();
  const checked = check(over.signal);
  checked.catch(() => {}); // it is waited for unless the machine fails before
  try {
    const machine = await restore();
    await checked.catch(async (reason: unknown) => {
      await machine.kill();
      throw reason;
    });
    return machine;
  } finally {
    over.abort();
  }
}

function isDamage(reason: unknown): boolean {
  return reason instanceof WrennError && reason.code === "snapshot_damaged";
}

async function bytesToFill({ context: { snapshots }, snapshot, base }: SavedStart): Promise<number> {
  if (base === snapshot.id) return 0;
  const changes = difference(await snapshots.map(base), await snapshots.map(snapshot.id));
  let pages = 0;
  for (const count of livePages(changes).values()) pages += count;
  return pages * PAGE_BYTES;
}

/** The guest has confirmed its init: the rest of its memory follows, and the next machine is sent first what this one needed. */
export async function settleMemory(
  { lazyMemory }: Pick<HostContext, "lazyMemory">,
  { machine, base, log }: { machine: Machine; base: string; log: Logger },
): Promise<void> {
  if (!machine.arrival) return;
  const waitedFor = await machine.arrival.settle();
  // A hint: nobody waits for its file.
  void lazyMemory.workingSets.learn(base, waitedFor).catch((err: unknown) => {
    log.warn({ err, snapshot: base }, "what a machine needed first is not recorded");
  });
}
