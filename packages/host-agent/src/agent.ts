// The host agent put together: look at what is there, sweep the rest, probe, prepare, serve; and the way back.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { MIB, Scope } from "@wrenn/core";
import { buildEnvd, envdKey } from "@wrenn/envd";
import {
  closeBlockNetwork,
  detectCgroups,
  holdBlock,
  MemoryFile,
  openBlockNetwork,
  planBlock,
  releaseBlock,
  removeUnfinished,
  SlotPool,
  sweepBlock,
} from "@wrenn/linux";
import { MemoryImages, SnapshotStore } from "@wrenn/snapshot";
import { prepareGuest } from "@wrenn/template";
import { Semaphore } from "async-mutex";
import type { Logger } from "pino";
import type { Config } from "./config.ts";
import { hostIdOf } from "./host-id.ts";
import { HostInfo } from "./host-info.ts";
import { ImageStore } from "./image/image-store.ts";
import { prepareLazyMemory } from "./memory/prepare.ts";
import { chooseRootfs } from "./rootfs/choose.ts";
import type { RootfsStore } from "./rootfs/rootfs-store.ts";
import { Capacity } from "./sandbox/capacity.ts";
import type { HostContext } from "./sandbox/context.ts";
import { SandboxManager } from "./sandbox/manager.ts";
import { startReaper } from "./sandbox/reaper.ts";
import { ReportLog } from "./sandbox/reports.ts";
import { Samples } from "./sandbox/samples.ts";
import { startSampling } from "./sandbox/sampling.ts";
import { type Earlier, findEarlier, takeOver } from "./sandbox/take-over.ts";
import { listenOnSocket, listenOnTls } from "./server/listen.ts";
import { Compactor } from "./storage/compactor.ts";
import { Storage } from "./storage/storage.ts";
import { TemplateBuilds } from "./template/builds.ts";
import { readGuestFile } from "./template/guest-file.ts";
import { ImageBuilds } from "./template/images.ts";
import { TemplateRegistry } from "./template/registry.ts";
import { WarmTemplates } from "./template/warm.ts";
import { chooseVmm } from "./vmm/choose.ts";

/**
 * Starts the agent. Machines of an earlier run of this block that still run are taken over; everything else that it left
 * on the machine is removed first. Closing the returned scope pauses the sandboxes and gives everything back.
 */
export async function startAgent(config: Config, log: Logger): Promise<Scope> {
  await using scope = new Scope();
  const cgroups = detectCgroups();
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  await scope.take(
    "block",
    () => holdBlock(config.block, { dataDir: config.dataDir, runDir: config.runDir }),
    (claim) => claim && releaseBlock(claim),
  );
  const hostId = await hostIdOf(config.dataDir, config.block);
  const images = await ImageStore.open(config.dataDir);
  const snapshots = await SnapshotStore.open(config.dataDir);
  const earlier = await findEarlier({
    dataDir: config.dataDir,
    snapshots,
    block: config.block,
  });
  const swept = await sweepBlock({ block: config.block, cgroups, scope: "sandboxes", spare: earlier.spared });
  if (Object.values(swept).some((found) => found.length > 0))
    log.warn(swept, "removed what an earlier run left behind");

  const registry = await TemplateRegistry.open(config.dataDir, images);
  const guest = await prepareBootParts({ config, registry, log });
  const blanks = join(config.dataDir, "blank");
  await mkdir(blanks, { recursive: true, mode: 0o700 });
  await removeUnfinished(blanks);
  const rootfs = await chooseRootfs({
    setting: config.rootfs,
    block: config.block,
    dataDir: config.dataDir,
    blankDir: blanks,
    log,
  });
  const { vmm, accelerator, commandLine, tsc } = await chooseVmm({
    config,
    cgroups,
    guest: { kernel: images.path(guest.kernel), initramfs: images.path(guest.initramfs) },
    disks: rootfs.name,
    log,
  });

  const reports = await ReportLog.open(config.dataDir, (err) =>
    log.error({ err }, "could not write a report; it is told from memory"),
  );
  for (const { path, reason } of reports.damaged)
    log.error({ err: reason, path }, "left a report alone that cannot be read");
  const capacity = new Capacity({ maxSandboxes: config.maxSandboxes, memoryMb: config.memoryMb });
  await scope.take(
    "block network",
    () => openBlockNetwork({ block: config.block, dns: config.dns }),
    async () => {
      await closeBlockNetwork(config.block);
    },
  );
  const lazyMemory = await prepareLazyMemory(config, { vmm, snapshots, scope, log });
  const slots = await scope.take(
    "network slots",
    () =>
      new SlotPool({
        block: config.block,
        prepared: config.preparedSlots,
        inUse: [...earlier.spared.slots],
        dns: config.dns,
        onError: (err) => log.error({ err }, "could not prepare or give back a network slot"),
      }),
    (pool) => pool.close(),
  );
  const memory = await scope.take(
    "memory images",
    () =>
      new MemoryImages({
        store: snapshots,
        create: (name, bytes) => MemoryFile.create(name, bytes),
        idleBytes: config.idleImagesMb * MIB,
      }),
    (held) => held[Symbol.dispose](),
  );
  const storage = new Storage({ snapshots, images, memory, log });
  const compactor = new Compactor({
    snapshots,
    images,
    storage,
    dataDir: config.dataDir,
    mergesLayers: rootfs.name === "qcow2",
    // The accelerator has been proven by now.
    uid: planBlock(config.block).vmmUids.last,
    log,
  });
  scope.defer("compaction", () => compactor.close());
  const context: HostContext = {
    dataDir: config.dataDir,
    cgroup: planBlock(config.block).cgroup,
    vmm,
    accelerator,
    commandLine,
    tsc,
    slots,
    capacity,
    rootfs,
    images,
    snapshots,
    memory,
    lazyMemory,
    storage,
    compactor,
    boots: new Semaphore(config.concurrentBoots),
    loads: new Semaphore(config.concurrentLoads),
    bootDeadlineMs: config.bootDeadlineMs,
  };
  const warm = new WarmTemplates({ context, registry, log });
  const manager = new SandboxManager({ context, templates: { registry, warm }, reports, log });
  storage.addUsers(() => [...registry.users(), ...manager.users()]);
  // From here on machines run that are this agent's: whatever it fails with, they are paused.
  scope.defer("storage", () => storage.settled());
  scope.defer("sandboxes", () => manager.close({ pause: config.onStop === "pause" }));
  await takeOver({ context, cgroups, manager, reports, earlier, block: config.block, log });
  await removeLeftovers({ earlier, manager, snapshots, registry, rootfs, storage, log });
  scope.defer("booted copies", () => warm.close());
  const unwatch = rootfs.watch((dir, reason) => manager.diskLost(dir, reason));
  scope.defer("watch of the disks", unwatch);
  scope.defer("reaper", startReaper(manager, config.reapIntervalMs, log));
  const samples = new Samples({ list: () => manager.list(), log });
  scope.defer("samples", startSampling(samples, config.sampleIntervalMs, log));

  const builds = new TemplateBuilds({ registry, warm, storage, cacheDir: config.cacheDir, log });
  scope.defer("template builds", () => builds.close());
  const imageBuilds = new ImageBuilds({
    registry,
    storage,
    cacheDir: config.cacheDir,
    sources: config.images,
    log,
  });
  scope.defer("images", () => imageBuilds.close());
  const host = new HostInfo({
    hostId,
    isolation: accelerator,
    vmm: `${vmm.name} ${await vmm.version()}`,
    capacity,
  });
  const service = {
    manager,
    templates: registry,
    builds,
    images: imageBuilds,
    reports,
    storage,
    samples,
    dataDir: config.dataDir,
    host,
  };
  const onSocket = await listenOnSocket(service, { path: config.socket, owner: config.socketOwner, log });
  scope.defer("socket", onSocket);
  if (config.tls) scope.defer("TLS", await listenOnTls(service, { ...config.tls, tls: config.tls, log }));
  log.info(
    { socket: config.socket, isolation: accelerator, vmm: vmm.name, disks: rootfs.name },
    "host agent is ready",
  );
  return scope.move();
}

/** Kernel, initramfs and agent drive for guests to come. */
async function prepareBootParts({
  config,
  registry,
  log,
}: {
  config: Config;
  registry: TemplateRegistry;
  log: Logger;
}) {
  const artifacts =
    config.guestFile === undefined
      ? await prepareGuest({
          cacheDir: config.cacheDir,
          buildEnvd,
          envdKey,
          onStep: (step) =>
            log.info({ step: step.name, ms: step.millis }, step.done ? "prepared" : "preparing the guest"),
        })
      : await readGuestFile(config.guestFile);
  return await registry.setGuest(artifacts);
}

/**
 * Removes disks that an earlier run left, and lets what nobody needs be collected. Neither while something is there that
 * cannot be read or taken over: what that needs nobody knows.
 */
async function removeLeftovers({
  earlier,
  manager,
  snapshots,
  registry,
  rootfs,
  storage,
  log,
}: {
  earlier: Earlier;
  manager: SandboxManager;
  snapshots: SnapshotStore;
  registry: TemplateRegistry;
  rootfs: RootfsStore;
  storage: Storage;
  log: Logger;
}): Promise<void> {
  const sandboxes = earlier.found.filter(({ fate }) => fate.kind === "leave").map(({ id }) => id);
  const damaged = snapshots.damaged.map(({ id, reason }) => ({ id, reason: String(reason) }));
  const templates = registry.damaged.map(({ path, reason }) => ({ path, reason: String(reason) }));
  if (sandboxes.length + damaged.length + templates.length > 0) {
    log.error(
      { sandboxes, snapshots: damaged, templates },
      "some of what is on disk cannot be read or taken over: nothing is collected until it is mended or moved away, and this agent starts anew",
    );
    return;
  }
  try {
    // One that was left as it was for the next start has a disk that this agent has not taken over.
    const untouched = manager.list().some(({ status }) => status === "error");
    const disks = untouched ? [] : await rootfs.sweep();
    if (disks.length > 0) log.warn({ devices: disks }, "removed disks that an earlier run left behind");
  } catch (err) {
    log.error(
      { err },
      "could not remove all disks that an earlier run left behind; the next start tries again",
    );
  }
  storage.start();
}
