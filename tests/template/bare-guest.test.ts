// A guest whose root file system has next to nothing: no C library, no mount points, no /etc. It boots to an agent that
// answers, on a disk larger than its image, because all that the agent needs is on its own drive.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { MIB, Scope } from "@wrenn/core";
import { buildEnvd, ENVD_PORT, envdKey } from "@wrenn/envd";
import { GUEST, run } from "@wrenn/linux";
import { type GuestArtifacts, kernelCommandLine, prepareGuest, tscKhz } from "@wrenn/template";

/** Shared with the platform, so that what it has prepared is used. */
const CACHE_DIR = process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn";
const BOOT_DEADLINE_MS = 120_000;
const DISK_MB = 1024;

/** Asks from inside the namespace until the agent answers. */
const ASK = `
const deadline = Date.now() + ${BOOT_DEADLINE_MS};
for (;;) {
  const answer = await fetch("http://${GUEST.address}:${ENVD_PORT}/health").catch(() => undefined);
  if (answer?.status === 204) break;
  if (Date.now() > deadline) process.exit(1);
  await new Promise((resolve) => setTimeout(resolve, 5));
}`;

describe("a root file system without a C library", { timeout: 600_000 }, () => {
  it("boots to an agent that answers, and grows to its disk", async () => {
    await using scope = new Scope();
    const dir = await scope.take(
      "directory",
      () => mkdtemp(join(tmpdir(), "bare-guest-")),
      (path) => rm(path, { recursive: true }),
    );
    const netns = await scope.take("namespace", makeNamespace, (name) =>
      run(["ip", "netns", "del", name], { timeoutMs: 10_000 }).then(() => {}),
    );
    const guest = await prepareGuest({ cacheDir: CACHE_DIR, buildEnvd, envdKey });
    const disk = await makeDisk(dir);
    const consoleFile = join(dir, "console");
    const qemu = spawn("nsenter", await machineArguments({ netns, guest, disk, consoleFile }), {
      stdio: "ignore",
    });
    const ended = once(qemu, "exit");
    scope.defer("machine", async () => {
      qemu.kill("SIGKILL");
      await ended;
    });
    const asked = run([...inside(netns), process.execPath, "--input-type=module", "-e", ASK], {
      timeoutMs: BOOT_DEADLINE_MS + 10_000,
    }).then(() => "answered");
    const outcome = await Promise.race([asked, ended.then(() => "the machine ended")]);
    assert.equal(outcome, "answered", await readFile(consoleFile, "utf8"));

    qemu.kill("SIGKILL");
    await ended;
    const { stdout } = await run(["dumpe2fs", "-h", disk], { timeoutMs: 10_000 });
    assert.equal(/^Block count:\s+(\d+)$/m.exec(stdout)?.[1], String((DISK_MB * MIB) / 4096));
  });
});

function inside(netns: string): [string, ...string[]] {
  return ["nsenter", `--net=/run/netns/${netns}`, "--"];
}

/** A namespace with nothing but the guest's tap: no packet leaves it. */
async function makeNamespace(): Promise<string> {
  const name = `wrenn-test-bare-${process.pid}`;
  const batch = [
    `tuntap add ${GUEST.tap} mode tap vnet_hdr`,
    `link set ${GUEST.tap} address ${GUEST.tapMac} up`,
    `addr add ${GUEST.gateway}/${GUEST.prefixLength} dev ${GUEST.tap}`,
  ].join("\n");
  await run(["ip", "netns", "add", name], { timeoutMs: 10_000 });
  await run(["ip", "-netns", name, "-batch", "-"], { timeoutMs: 10_000, input: `${batch}\n` });
  return name;
}

/** An ext4 of 64 MiB with a single directory in it, on a larger disk. */
async function makeDisk(dir: string): Promise<string> {
  const [tree, disk] = [join(dir, "tree"), join(dir, "disk")];
  await mkdir(join(tree, "home"), { recursive: true });
  await run(["mke2fs", "-q", "-t", "ext4", "-b", "4096", "-d", tree, disk, "64M"], { timeoutMs: 60_000 });
  await truncate(disk, DISK_MB * MIB);
  return disk;
}

async function machineArguments(machine: {
  netns: string;
  guest: GuestArtifacts;
  disk: string;
  consoleFile: string;
}): Promise<string[]> {
  const { netns, guest, disk, consoleFile } = machine;
  return [
    ...inside(netns).slice(1),
    ...["qemu-system-x86_64", "-M", "microvm,x-option-roms=off,rtc=on,acpi=on,isa-serial=on"],
    ...["-accel", "tcg", "-cpu", "max", "-m", "512", "-nodefaults", "-no-user-config", "-no-reboot"],
    ...["-display", "none", "-serial", `file:${consoleFile}`],
    ...["-kernel", guest.kernel, "-initrd", guest.initramfs],
    ...["-append", kernelCommandLine({ tscKhz: await tscKhz() })],
    ...["-drive", `id=root,file=${disk},format=raw,if=none`, "-device", "virtio-blk-device,drive=root"],
    ...["-drive", `id=agent,file=${guest.agentDrive},format=raw,if=none,readonly=on`],
    ...["-device", "virtio-blk-device,drive=agent"],
    ...["-netdev", `tap,id=net,ifname=${GUEST.tap},script=no,downscript=no`],
    ...["-device", `virtio-net-device,netdev=net,mac=${GUEST.mac}`],
  ];
}
