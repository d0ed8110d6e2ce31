// The host agent put together: sweep, probe, prepare, serve; and the way back.
import { mkdir } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { Scope } from "@wrenn/core";
import { buildEnvd } from "@wrenn/envd";
import {
  closeBlockNetwork,
  detectCgroups,
  openBlockNetwork,
  planBlock,
  SlotPool,
  sweepBlock,
} from "@wrenn/linux";
import { kernelCommandLine, prepareGuest, tscKhz } from "@wrenn/template";
import { proveAccelerator, QemuVmm } from "@wrenn/vmm";
import type { Logger } from "pino";
import type { Config } from "./config.ts";
import { HostInfo } from "./host-info.ts";
import { Qcow2RootfsStore } from "./rootfs/qcow2.ts";
import { Capacity } from "./sandbox/capacity.ts";
import { SandboxManager } from "./sandbox/manager.ts";
import { startReaper } from "./sandbox/reaper.ts";
import { ReportLog } from "./sandbox/reports.ts";
import { listenOnSocket, listenOnTls } from "./server/listen.ts";
import { TemplateBuilds } from "./template/builds.ts";
import { readGuestFile } from "./template/guest-file.ts";
import { TemplateRegistry } from "./template/registry.ts";

/**
 * Starts the agent. Everything that an earlier run of this block left on the machine is removed first. Closing the
 * returned scope ends the sandboxes and gives everything back.
 */
export async function startAgent(config: Config, log: Logger): Promise<Scope> {
  await using scope = new Scope();
  const cgroups = detectCgroups();
  const swept = await sweepBlock({ block: config.block, cgroups, scope: "sandboxes" });
  if (Object.values(swept).some((found) => found.length > 0))
    log.warn(swept, "removed what an earlier run left behind");
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });

  const plan = planBlock(config.block);
  const vmm = new QemuVmm({ cgroups });
  const templates = await TemplateRegistry.open(config.dataDir);
  const artifacts =
    config.guestFile === undefined
      ? await prepareGuest({
          cacheDir: config.cacheDir,
          buildEnvd,
          onStep: (step) =>
            log.info({ step: step.name, ms: step.millis }, step.done ? "prepared" : "preparing the guest"),
        })
      : await readGuestFile(config.guestFile);
  const images = await templates.setGuest(artifacts);
  const khz = await tscKhz();
  const commandLine = kernelCommandLine({ tscKhz: khz });
  const { accelerator, reason } = await proveAccelerator({
    vmm,
    kernel: images.kernelPath,
    initramfs: images.initramfsPath,
    commandLine,
    dir: join(config.dataDir, "proof"),
    uid: plan.vmmUids.last,
    cgroup: `${plan.cgroup}/proof`,
    cacheFile: join(config.runDir, "accelerator.json"),
    deadlineMs: config.proofDeadlineMs,
  });
  if (reason !== undefined) log.warn({ reason }, "KVM is not usable here: guests are emulated (tcg)");

  const reports = await ReportLog.open(config.dataDir);
  const capacity = new Capacity({ maxSandboxes: config.maxSandboxes, memoryMb: config.memoryMb });
  await scope.take(
    "block network",
    () => openBlockNetwork({ block: config.block, dns: config.dns }),
    async () => {
      await closeBlockNetwork(config.block);
    },
  );
  const slots = await scope.take(
    "network slots",
    () =>
      new SlotPool({
        block: config.block,
        prepared: config.preparedSlots,
        dns: config.dns,
        onError: (err) => log.error({ err }, "could not prepare a network slot"),
      }),
    (pool) => pool.close(),
  );
  const manager = new SandboxManager({
    start: {
      dataDir: config.dataDir,
      cgroup: plan.cgroup,
      vmm,
      accelerator,
      commandLine,
      slots,
      rootfs: new Qcow2RootfsStore(),
      bootDeadlineMs: config.bootDeadlineMs,
    },
    templates,
    capacity,
    reports,
    concurrentBoots: config.concurrentBoots,
    log,
  });
  await manager.clearLeftovers();
  scope.defer("sandboxes", () => manager.close());
  scope.defer("reaper", startReaper(manager, config.reapIntervalMs, log));

  const builds = new TemplateBuilds({ registry: templates, cacheDir: config.cacheDir, log });
  scope.defer("template builds", () => builds.close());
  const host = new HostInfo({
    hostId: `${hostname()}-${config.block}`,
    isolation: accelerator,
    vmm: `${vmm.name} ${await vmm.version()}`,
    capacity,
  });
  const context = { manager, templates, builds, reports, host };
  const onSocket = await listenOnSocket(context, { path: config.socket, owner: config.socketOwner, log });
  scope.defer("socket", onSocket);
  if (config.tls) scope.defer("TLS", await listenOnTls(context, { ...config.tls, tls: config.tls, log }));
  log.info({ socket: config.socket, isolation: accelerator }, "host agent is ready");
  return scope.move();
}
